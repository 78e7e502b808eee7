/** A byte range as a client asks for it, before the size is known (RFC 9110, section 14.1.2). */
export type AskedRange =
  | { readonly kind: 'from'; readonly first: number; readonly last: number | undefined }
  | { readonly kind: 'suffix'; readonly lengthBytes: number }

/** Bytes [start, end) of something whose size is known; never empty. */
export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/**
 * What a Range header asks for. `whole`: none, or a unit we do not know, which must be ignored. `malformed`: a bytes set
 * that does not parse; it may be ignored or rejected (RFC 9110, section 14.2) and is rejected here, since a 200 to a
 * client that has had a 206 for the same blob is written at the wrong offset. `too-many`: more than `MAX_RANGES`.
 */
export type RangeRequest =
  | { readonly outcome: 'whole' | 'malformed' | 'too-many' }
  | { readonly outcome: 'ranges'; readonly ranges: readonly AskedRange[] }

/** The most ranges one request may name: zstd:chunked pulls send up to 1024. */
export const MAX_RANGES = 1024

/** A set may add up to this many times the size; more is an attempt at amplification (RFC 9110, section 17.15). */
const MAX_OVERLAP = 2

const BYTES_UNIT = /^bytes(?![!#$%&'*+.^_`|~0-9a-z-])/i
const ONE_RANGE = /^(?:(\d+)-(\d*)|-(\d+))$/

/** Reads a Range header. Never throws; the answer's length is bounded by `MAX_RANGES`. */
export function parseRangeHeader(header: string | undefined): RangeRequest {
  if (header === undefined || !BYTES_UNIT.test(header)) return { outcome: 'whole' }
  if (header[5] !== '=') return { outcome: 'malformed' }
  const ranges: AskedRange[] = []
  for (const item of header.slice(6).split(',')) {
    const text = item.trim()
    // A list may have empty elements (RFC 9110, section 5.6.1.2).
    if (text === '') continue
    const range = parseOne(text)
    if (range === undefined) return { outcome: 'malformed' }
    if (ranges.push(range) > MAX_RANGES) return { outcome: 'too-many' }
  }
  return ranges.length === 0 ? { outcome: 'malformed' } : { outcome: 'ranges', ranges }
}

function parseOne(text: string): AskedRange | undefined {
  const match = ONE_RANGE.exec(text)
  if (match === null) return undefined
  const [, first, last, suffix] = match
  if (first === undefined) return { kind: 'suffix', lengthBytes: position(suffix ?? '') }
  return { kind: 'from', first: position(first), last: last === '' || last === undefined ? undefined : position(last) }
}

/** Positions past what a number holds exactly are past the end of any blob. */
function position(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}

/** Ranges in the order asked, one for each asked, overlapping where the client asked so. */
export type ResolvedRanges =
  | { readonly outcome: 'ranges'; readonly ranges: readonly ByteRange[] }
  | { readonly outcome: 'unsatisfiable' }
  | { readonly outcome: 'excessive' }

/**
 * The asked ranges against a size. One that cannot be met makes the whole set `unsatisfiable`: leaving it out would shift
 * the parts of clients that count them (zstd:chunked), and RFC 9110, section 15.5.17 lets a set be rejected for invalid ranges.
 */
export function resolveRanges(asked: readonly AskedRange[], sizeBytes: number): ResolvedRanges {
  const ranges: ByteRange[] = []
  let totalBytes = 0
  for (const one of asked) {
    const range = resolveOne(one, sizeBytes)
    if (range === undefined) return { outcome: 'unsatisfiable' }
    totalBytes += range.end - range.start
    ranges.push(range)
  }
  if (totalBytes > sizeBytes * MAX_OVERLAP) return { outcome: 'excessive' }
  return { outcome: 'ranges', ranges }
}

function resolveOne(asked: AskedRange, sizeBytes: number): ByteRange | undefined {
  if (asked.kind === 'suffix') {
    if (asked.lengthBytes === 0 || sizeBytes === 0) return undefined
    return { start: Math.max(0, sizeBytes - asked.lengthBytes), end: sizeBytes }
  }
  const end = Math.min((asked.last ?? sizeBytes - 1) + 1, sizeBytes)
  if (asked.first >= sizeBytes || end <= asked.first) return undefined
  return { start: asked.first, end }
}

/** `Content-Range` of a 206 or of one part of it. */
export function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.start}-${range.end - 1}/${sizeBytes}`
}

/** `Content-Range` of a 416. */
export function unsatisfiedContentRange(sizeBytes: number): string {
  return `bytes */${sizeBytes}`
}
