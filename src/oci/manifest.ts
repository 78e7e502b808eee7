import { z } from 'zod'
import { type Digest, parseDigest } from '../core/index.ts'
import { InvalidManifestError } from './errors.ts'
import { jsonDepth } from './json-depth.ts'
import { MediaType, type ManifestKind, manifestKindOf, mediaTypeOf } from './media-types.ts'
import type { Platform } from './platform.ts'

/** Largest manifest that is read; the distribution specification asks registries to take at least this much, and clients stop near it. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Deepest nesting read: real manifests need 5, custom fields a few more. */
const MAX_DEPTH = 32

/** Most descriptors in one document: overlayfs ends at 500 layers, the largest indexes in use have hundreds of entries. */
const MAX_DESCRIPTORS = 4096

/** A pointer to content: its digest, exact size and media type. */
export interface Descriptor {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly mediaType: string
  readonly platform: Platform | undefined
  readonly annotations: Readonly<Record<string, string>>
}

/** A manifest or an index, reduced to what it points at. Lists that the kind does not have are empty. */
export interface Manifest {
  readonly kind: ManifestKind
  readonly mediaType: string
  readonly config: Descriptor | undefined
  readonly layers: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
  readonly subject: Descriptor | undefined
  readonly annotations: Readonly<Record<string, string>>
}

// A value that is not a string breaks the specification but not the pull, so it is left out and not refused.
const Annotations = z.record(z.string(), z.unknown()).nullish().transform(stringsOnly)

const PlatformField = z
  .object({
    os: z.string(),
    architecture: z.string(),
    variant: z.string().optional(),
    'os.version': z.string().optional(),
  })
  .transform(({ 'os.version': osVersion, ...platform }): Platform => ({ ...platform, osVersion }))

const DescriptorField = z
  .object({
    digest: z.string().transform((text, context) => {
      const digest = parseDigest(text)
      if (digest === undefined) context.addIssue({ code: 'custom', message: 'not a sha256 digest' })
      return digest as Digest
    }),
    size: z.int().nonnegative(),
    mediaType: z.string().default(MediaType.octetStream),
    platform: PlatformField.nullish(),
    annotations: Annotations,
  })
  .transform(
    ({ size, platform, ...rest }): Descriptor => ({ ...rest, sizeBytes: size, platform: platform ?? undefined }),
  )

const DescriptorList = z.array(DescriptorField).max(MAX_DESCRIPTORS).nullish()

const DocumentField = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: DescriptorField.nullish(),
  layers: DescriptorList,
  manifests: DescriptorList,
  subject: DescriptorField.nullish(),
  annotations: Annotations,
})

type Document = z.infer<typeof DocumentField>

/**
 * Reads a manifest or an index. `contentType` is what the registry said it is; where that names neither kind, the document's own
 * `mediaType` field and then its shape decide.
 * Throws InvalidManifestError for anything that is not one or the other, or that two readers could understand differently.
 */
export function parseManifest(contentType: string, bytes: Uint8Array): Manifest {
  const document = parseDocument(bytes)
  const { kind, mediaType } = kindOf(mediaTypeOf(contentType), document)
  return {
    kind,
    mediaType,
    config: document.config ?? undefined,
    layers: document.layers ?? [],
    manifests: document.manifests ?? [],
    subject: document.subject ?? undefined,
    annotations: document.annotations,
  }
}

/** The media type of manifest bytes that came without a usable Content-Type, from the document alone; `undefined` when it does not tell. */
export function sniffMediaType(bytes: Uint8Array): string | undefined {
  try {
    return parseManifest('', bytes).mediaType
  } catch (error) {
    if (error instanceof InvalidManifestError) return undefined
    throw error
  }
}

function parseDocument(bytes: Uint8Array): Document {
  if (bytes.byteLength > MAX_MANIFEST_BYTES)
    throw new InvalidManifestError(`manifest of ${bytes.byteLength} bytes is too large`)
  if (jsonDepth(bytes) > MAX_DEPTH) throw new InvalidManifestError('manifest is nested too deep')
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new InvalidManifestError('manifest is not JSON', cause)
  }
  const parsed = DocumentField.safeParse(json)
  if (!parsed.success) throw new InvalidManifestError(`manifest has no valid ${fieldOf(parsed.error)}`, parsed.error)
  return parsed.data
}

// A document that reads as both kinds can be one image to us and another to the client (CVE-2021-41190), so it is neither.
function kindOf(contentType: string, document: Document): { kind: ManifestKind; mediaType: string } {
  const shape = shapeOf(document)
  if (shape === undefined) throw new InvalidManifestError('document is neither a manifest nor an index')
  const stated = [contentType, document.mediaType].filter((type) => type !== undefined)
  for (const mediaType of stated) {
    const kind = manifestKindOf(mediaType)
    if (kind !== undefined && kind !== shape)
      throw new InvalidManifestError(`document of type ${mediaType} has the shape of the other kind`)
  }
  const mediaType = stated.find((type) => manifestKindOf(type) !== undefined)
  return { kind: shape, mediaType: mediaType ?? (shape === 'index' ? MediaType.ociIndex : MediaType.ociManifest) }
}

function shapeOf(document: Document): ManifestKind | undefined {
  const isManifest = document.layers != null || document.config != null
  const isIndex = document.manifests != null
  if (isManifest === isIndex) return undefined
  return isIndex ? 'index' : 'manifest'
}

function stringsOnly(fields: Record<string, unknown> | null | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(fields ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return Object.fromEntries(entries)
}

function fieldOf(error: z.ZodError): string {
  return error.issues[0]?.path.join('.') || 'content'
}
