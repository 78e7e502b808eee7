import { type Clock, type Digest, digestOf, parseDigest } from '../core/index.ts'
import {
  MANIFEST_ACCEPT,
  MAX_MANIFEST_BYTES,
  MediaType,
  manifestKindOf,
  mediaTypeOf,
  type Reference,
  referenceText,
  sniffMediaType,
} from '../oci/index.ts'
import { OriginBrokenError } from './errors.ts'
import type { Registry, RegistryRequest, Reply } from './registry.ts'
import { failureOf } from './reply-failure.ts'
import { identityOf, type OriginCallOptions } from './settings.ts'

/** What the origin says a reference stands for. */
export interface ManifestHead {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
}

/** A manifest or index as the origin sent it; the bytes have the digest. */
export interface FetchedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** A reference in a repository of one registry. */
export interface ManifestPlace {
  readonly registry: Registry
  readonly repository: string
  readonly reference: Reference
  readonly clock: Clock
}

/** Resolves a reference with HEAD, which Docker Hub does not count as a pull, or with GET where HEAD does not tell; `undefined` when it is unknown. */
export async function headManifest(
  place: ManifestPlace,
  options: OriginCallOptions,
): Promise<ManifestHead | undefined> {
  const head = await place.registry.read(requestFor(place, 'HEAD'), identityOf(options), options, (reply) =>
    readHead(place, reply),
  )
  if (head !== 'ask with GET') return head
  const manifest = await getManifest(place, options)
  if (manifest === undefined) return undefined
  return { digest: manifest.digest, mediaType: manifest.mediaType, sizeBytes: manifest.bytes.byteLength }
}

/** Fetches a manifest and checks it against every digest that is known for it; `undefined` when it is unknown. */
export async function getManifest(
  place: ManifestPlace,
  options: OriginCallOptions,
): Promise<FetchedManifest | undefined> {
  return await place.registry.read(requestFor(place, 'GET'), identityOf(options), options, async (reply) => {
    if (reply.answer.status === 404) return undefined
    if (reply.answer.status !== 200) throw failureOf(reply, place.clock)
    refuseEncoded(reply)
    const bytes = await reply.answer.bytes(MAX_MANIFEST_BYTES)
    const digest = digestOf(bytes)
    for (const expected of [statedDigest(reply), askedDigest(place)]) {
      if (expected !== undefined && expected !== digest)
        throw new OriginBrokenError(`origin sent a manifest with digest ${digest} for ${expected}`)
    }
    return { digest, mediaType: manifestType(reply) ?? sniffMediaType(bytes) ?? MediaType.octetStream, bytes }
  })
}

function requestFor({ repository, reference }: ManifestPlace, method: 'GET' | 'HEAD'): RegistryRequest {
  const headers = { accept: MANIFEST_ACCEPT }
  return { method, repository, path: `manifests/${referenceText(reference)}`, headers, urgency: 'document' }
}

function readHead(place: ManifestPlace, reply: Reply): ManifestHead | undefined | 'ask with GET' {
  const { answer } = reply
  if (answer.status === 404) return undefined
  if (answer.status === 405) return 'ask with GET'
  if (answer.status !== 200) throw failureOf(reply, place.clock)
  const digest = statedDigest(reply) ?? askedDigest(place)
  const mediaType = manifestType(reply)
  const sizeBytes = answer.contentLength
  if (digest === undefined || mediaType === undefined || sizeBytes === undefined) return 'ask with GET'
  if (askedDigest(place) !== undefined && digest !== askedDigest(place))
    throw new OriginBrokenError(`origin answers ${digest} for another digest`)
  return { digest, mediaType, sizeBytes }
}

function statedDigest({ answer }: Reply): Digest | undefined {
  return parseDigest(answer.header('docker-content-digest') ?? '')
}

function askedDigest({ reference }: ManifestPlace): Digest | undefined {
  return reference.kind === 'digest' ? reference.digest : undefined
}

/** The Content-Type, where it tells what kind of document it is. */
function manifestType({ answer }: Reply): string | undefined {
  const mediaType = mediaTypeOf(answer.header('content-type') ?? '')
  return manifestKindOf(mediaType) === undefined ? undefined : mediaType
}

/** Throws when a body was compressed on the way although only `identity` was accepted: its bytes are not those of the digest. */
export function refuseEncoded({ answer }: Reply): void {
  const encoding = answer.header('content-encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity' && encoding !== '')
    throw new OriginBrokenError(`origin answered with Content-Encoding ${encoding}`)
}
