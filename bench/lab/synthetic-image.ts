import { createCipheriv, createHash } from 'node:crypto'

/** A part of an image as manifests name it. */
export interface BlobDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface Blob extends BlobDescriptor {
  read(offset: number, length: number): Buffer
}

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Bytes hashed in one step. */
const STEP_BYTES = 1024 * 1024

/** Block size of AES: a position in the stream is a counter of blocks and an offset in one. */
const BLOCK_BYTES = 16

/**
 * An image whose layers are pseudo-random bytes made whenever they are read: it takes no disk, any range of it costs no
 * more than copying, nothing can compress it, and another seed has no chunk in common with it.
 */
export class SyntheticImage {
  readonly manifest: Blob
  readonly config: Blob
  readonly layers: readonly Blob[]

  /** Makes layers of exactly these sizes. */
  constructor(seed: string, layerBytes: readonly number[]) {
    this.layers = layerBytes.map((size, index) => layer(`${seed} ${index}`, size))
    this.config = document(CONFIG_TYPE, { architecture: 'amd64', os: 'linux', author: seed })
    const [config, ...layers] = [this.config, ...this.layers].map(({ mediaType, digest, size }) => ({
      mediaType,
      digest,
      size,
    }))
    this.manifest = document(MANIFEST_TYPE, { schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers })
  }

  /** Bytes of config and layers: what one pull takes in blobs. */
  get blobBytes(): number {
    return [this.config, ...this.layers].reduce((sum, blob) => sum + blob.size, 0)
  }

  /** The blob of that digest. */
  find(digest: string): Blob | undefined {
    return [this.config, ...this.layers].find((blob) => blob.digest === digest)
  }
}

function document(mediaType: string, content: unknown): Blob {
  const bytes = Buffer.from(JSON.stringify(content))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  return {
    mediaType,
    digest,
    size: bytes.byteLength,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  }
}

function layer(seed: string, size: number): Blob {
  const key = createHash('sha256').update(seed).digest()
  const read = (offset: number, length: number): Buffer => keyStream(key, offset, length)
  const hash = createHash('sha256')
  for (let at = 0; at < size; at += STEP_BYTES) hash.update(read(at, Math.min(STEP_BYTES, size - at)))
  return { mediaType: LAYER_TYPE, digest: `sha256:${hash.digest('hex')}`, size, read }
}

/** Bytes of AES in counter mode (NIST SP 800-38A, 6.5), which can be entered anywhere. */
function keyStream(key: Buffer, offset: number, length: number): Buffer {
  const counter = Buffer.alloc(BLOCK_BYTES)
  counter.writeBigUInt64BE(BigInt(Math.floor(offset / BLOCK_BYTES)), BLOCK_BYTES - 8)
  const skipped = offset % BLOCK_BYTES
  return createCipheriv('aes-256-ctr', key, counter)
    .update(Buffer.alloc(skipped + length))
    .subarray(skipped)
}
