/** The part of a blob that a 206 answer says it carries: bytes [start, end) of `totalBytes`, which is `undefined` when it was sent as `*`. */
export interface ContentRange {
  readonly start: number
  readonly end: number
  readonly totalBytes: number | undefined
}

const BYTES = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i

/** Parses a Content-Range header (RFC 9110, section 14.4); `undefined` when it is malformed or contradicts itself. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = BYTES.exec(value?.trim() ?? '')
  if (match === null) return undefined
  const [, first, last, total] = match
  const range = { start: Number(first), end: Number(last) + 1, totalBytes: total === '*' ? undefined : Number(total) }
  if (range.end <= range.start || range.end > (range.totalBytes ?? Number.MAX_SAFE_INTEGER)) return undefined
  return range
}
