import parseRange from 'range-parser'

/** Bytes of some content. */
export interface Part {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  readonly isWhole: boolean
}

/** What a Range header asks of `size` bytes; several ranges or an unreadable header mean all (RFC 9110, 14.2). */
export function wantedPart(header: string | undefined, size: number): Part | undefined {
  const whole = { start: 0, end: size, isWhole: true }
  if (header === undefined) return whole
  const ranges = parseRange(size, header)
  if (ranges === -1) return undefined
  const [range, second] = ranges === -2 ? [] : ranges
  return range === undefined || second !== undefined
    ? whole
    : { start: range.start, end: range.end + 1, isWhole: false }
}
