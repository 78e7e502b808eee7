import type { AbortOptions, BlobRef, Clock } from '../core/index.ts'
import type { Bandwidth } from '../util/index.ts'
import { type BlobLocations, locationKey } from './blob-locations.ts'
import { parseContentRange } from './content-range.ts'
import { OriginBrokenError, OriginMissingError, OriginUnavailableError } from './errors.ts'
import { refuseEncoded } from './manifests.ts'
import type { Registry, RegistryRequest, Reply } from './registry.ts'
import { failureOf } from './reply-failure.ts'
import type { BlobReadOptions, Identity } from './settings.ts'

/** A blob in a repository of one registry, asked for in somebody's name. */
export interface BlobPlace {
  readonly registry: Registry
  readonly repository: string
  readonly ref: BlobRef
  readonly identity: Identity
  readonly clock: Clock
  readonly bandwidth: Bandwidth | undefined
  /** Bytes read for nothing because the origin ignored the Range header. */
  readonly onDiscard: (count: number) => void
}

/** Bytes [start, end) of a blob. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** An origin that ignores Range may be read up to this far for nothing as often as the retries allow; beyond, once. */
const SMALL_SKIP_BYTES = 8 * 1024 * 1024

/**
 * Reads a range of a blob in order, resuming at the exact byte after each failure that is worth another attempt.
 * Throws OriginMissingError when the repository does not have the blob.
 */
export async function* readBlobFrom(
  place: BlobPlace,
  range: ByteRange,
  options: BlobReadOptions,
): AsyncGenerator<Uint8Array> {
  const budget = place.registry.retryBudget()
  const skips = new SkipAllowance()
  let offset = range.start
  while (offset < range.end) {
    try {
      for await (const piece of readOnce(place, { start: offset, end: range.end }, skips, options)) {
        budget.progress()
        offset += piece.byteLength
        yield piece
      }
    } catch (error) {
      await budget.next(error, options)
    }
  }
}

/** One answer's worth of the range: from its start, and at least one byte of it or an error. */
async function* readOnce(
  place: BlobPlace,
  range: ByteRange,
  skips: SkipAllowance,
  options: BlobReadOptions,
): AsyncGenerator<Uint8Array> {
  const reply = await openBlob(place, range, options)
  try {
    const { status } = reply.answer
    if (status === 404) throw new OriginMissingError()
    if (status !== 200 && status !== 206) throw failureOf(reply, place.clock)
    refuseEncoded(reply)
    const body = status === 206 ? partOf(place.ref, range, reply) : wholeOf(place.ref, range, reply)
    skips.check(range.start - body.start)
    yield* cut(reply, body, range, place, options)
  } finally {
    await reply.answer.close()
  }
}

/** How much of a blob may be read for nothing in one call. */
class SkipAllowance {
  #hasSkipped = false

  check(skipBytes: number): void {
    if (skipBytes <= SMALL_SKIP_BYTES) return
    if (this.#hasSkipped) throw new OriginBrokenError('origin ignores Range and cut the blob')
    this.#hasSkipped = true
  }
}

/** Which bytes of the blob a 206 carries; throws OriginBrokenError unless they begin where asked and belong to a blob of the right size. */
function partOf(ref: BlobRef, asked: ByteRange, { answer }: Reply): ByteRange {
  const range = parseContentRange(answer.header('content-range'))
  if (range === undefined) throw new OriginBrokenError('206 without a valid Content-Range')
  if (range.totalBytes !== undefined && range.totalBytes !== ref.sizeBytes) {
    throw new OriginBrokenError(`origin says the blob has ${range.totalBytes} bytes, not ${ref.sizeBytes}`)
  }
  if (range.start !== asked.start || range.end > asked.end) {
    throw new OriginBrokenError(`origin sent bytes ${range.start}-${range.end - 1} for ${asked.start}-${asked.end - 1}`)
  }
  if ((answer.contentLength ?? range.end - range.start) !== range.end - range.start) {
    throw new OriginBrokenError('Content-Length and Content-Range of the origin differ')
  }
  return range
}

/** A 200 is the blob from its beginning (RFC 9110, section 14.2: a server may ignore Range). */
function wholeOf(ref: BlobRef, _asked: ByteRange, { answer }: Reply): ByteRange {
  if ((answer.contentLength ?? ref.sizeBytes) !== ref.sizeBytes) {
    throw new OriginBrokenError(`origin says the blob has ${answer.contentLength} bytes, not ${ref.sizeBytes}`)
  }
  return { start: 0, end: ref.sizeBytes }
}

/** The part of `range` in a body that carries the bytes `body` of the blob. */
async function* cut(
  reply: Reply,
  body: ByteRange,
  range: ByteRange,
  place: BlobPlace,
  options: BlobReadOptions,
): AsyncGenerator<Uint8Array> {
  let position = body.start
  for await (const piece of reply.answer.pieces()) {
    // Nothing more is read meanwhile, so TCP holds the origin back.
    const turn = place.bandwidth?.take(piece.byteLength, options.bandwidthClass?.() ?? 'pull', options)
    if (turn !== undefined) await turn
    const pieceStart = position
    position += piece.byteLength
    if (position > body.end) throw new OriginBrokenError('origin sent more bytes than it announced')
    const from = Math.min(Math.max(0, range.start - pieceStart), piece.byteLength)
    const to = Math.min(Math.max(0, range.end - pieceStart), piece.byteLength)
    if (from > 0) place.onDiscard(from)
    if (to > from) yield piece.subarray(from, to)
    // The rest of the blob is not wanted; a body that ends here anyway is read to its end, which keeps the connection.
    if (position >= range.end && body.end > range.end) return
  }
  if (position < body.end) throw new OriginUnavailableError(`body ended ${body.end - position} bytes early`)
}

// A storage URL of before is tried first; when it no longer works the registry is asked for another one, which is not a retry.
async function openBlob(place: BlobPlace, range: ByteRange, options: AbortOptions): Promise<Reply> {
  const { registry, repository, ref, identity } = place
  const request = requestFor(place, range)
  const key = locationKey(repository, ref.digest, identity)
  const known = registry.locations.get(key)
  if (known !== undefined) {
    const reply = await askKnown(place, known, key, request, options)
    if (reply !== undefined) return reply
  }
  const reply = await registry.ask(request, identity, options)
  if (reply.isAway && reply.answer.status < 300) registry.locations.set(key, reply.answer.url)
  return reply
}

async function askKnown(
  { registry }: BlobPlace,
  url: URL,
  key: string,
  request: RegistryRequest,
  options: AbortOptions,
): Promise<Reply | undefined> {
  const reply = await forgetOnFailure(registry.locations, key, async () => await registry.askAt(url, request, options))
  if (!isRefused(reply.answer.status)) return reply
  registry.locations.delete(key)
  await reply.answer.close()
  return undefined
}

async function forgetOnFailure(locations: BlobLocations, key: string, ask: () => Promise<Reply>): Promise<Reply> {
  try {
    return await ask()
  } catch (error) {
    locations.delete(key)
    throw error
  }
}

// Expired signatures are answered 401, 403, 410 or, by S3 for expired session tokens, 400; moved objects 404.
function isRefused(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 416 && status !== 429
}

function requestFor({ repository, ref }: BlobPlace, { start, end }: ByteRange): RegistryRequest {
  const headers = { accept: '*/*', range: `bytes=${start}-${end - 1}` }
  return { method: 'GET', repository, path: `blobs/${ref.digest}`, headers, urgency: 'blob' }
}
