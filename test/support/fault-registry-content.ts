import { type Digest, digestOf } from '../../src/core/index.ts'

/** A descriptor as it stands in a manifest. */
export interface WireDescriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly platform?: { readonly os: string; readonly architecture: string }
}

interface StoredManifest {
  readonly mediaType: string
  readonly bytes: Buffer
}

/** An image as it was put into the registry. */
export interface AddedImage {
  readonly digest: Digest
  readonly bytes: Buffer
  readonly config: WireDescriptor
  readonly layers: readonly WireDescriptor[]
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** The blobs and manifests of a test registry, in memory. A blob is known in the repositories it was added to. */
export class Content {
  readonly #blobs = new Map<string, Buffer>()
  readonly #manifests = new Map<string, StoredManifest>()
  readonly #tags = new Map<string, Map<string, Digest>>()

  addBlob(repository: string, content: Uint8Array, mediaType: string = LAYER): WireDescriptor {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    const digest = digestOf(bytes)
    this.#blobs.set(`${repository} ${digest}`, bytes)
    return { mediaType, digest, size: bytes.byteLength }
  }

  /** Adds a manifest or an index, from an object or as exact bytes. */
  addManifest(
    repository: string,
    manifest: object,
    options: { tag?: string; mediaType?: string } = {},
  ): WireDescriptor {
    const bytes = manifest instanceof Uint8Array ? Buffer.from(manifest) : Buffer.from(JSON.stringify(manifest))
    const mediaType = options.mediaType ?? ('mediaType' in manifest ? String(manifest.mediaType) : MANIFEST)
    const digest = digestOf(bytes)
    this.#manifests.set(`${repository} ${digest}`, { mediaType, bytes })
    if (options.tag !== undefined) this.#tagsOf(repository).set(options.tag, digest)
    return { mediaType, digest, size: bytes.byteLength }
  }

  /** Adds an image of these layers with a small config, under a tag. */
  addImage(repository: string, tag: string, layers: readonly Uint8Array[]): AddedImage {
    const config = this.addBlob(repository, Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64' })), CONFIG)
    const added = layers.map((layer) => this.addBlob(repository, layer))
    const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: added }
    const { digest } = this.addManifest(repository, manifest, { tag })
    return { digest, bytes: Buffer.from(JSON.stringify(manifest)), config, layers: added }
  }

  blob(repository: string, digest: string): Buffer | undefined {
    return this.#blobs.get(`${repository} ${digest}`)
  }

  manifest(repository: string, reference: string): (StoredManifest & { digest: Digest }) | undefined {
    const digest = this.#tags.get(repository)?.get(reference) ?? (reference as Digest)
    const found = this.#manifests.get(`${repository} ${digest}`)
    return found === undefined ? undefined : { ...found, digest }
  }

  tags(repository: string): readonly string[] | undefined {
    const tags = this.#tags.get(repository)
    return tags === undefined ? undefined : [...tags.keys()].toSorted()
  }

  #tagsOf(repository: string): Map<string, Digest> {
    const known = this.#tags.get(repository) ?? new Map<string, Digest>()
    this.#tags.set(repository, known)
    return known
  }
}
