import { randomBytes } from 'node:crypto'
import { type ByteRange, contentRange } from './byte-ranges.ts'

/** One part of a multipart/byteranges body: its delimiter and headers, then the bytes of `range`. */
export interface MultipartPart {
  readonly head: Uint8Array
  readonly range: ByteRange
}

/** A multipart/byteranges body with everything but the bytes of its ranges. */
export interface MultipartPlan {
  readonly contentType: string
  /** Exact length of the whole body. */
  readonly lengthBytes: number
  readonly parts: readonly MultipartPart[]
  readonly tail: Uint8Array
}

/**
 * Lays out `ranges` one part each, in the order given (RFC 9110, section 14.6). The boundary is letters and digits without
 * quotes: containers/image falls back to a regular expression that knows only those.
 */
export function planMultipart(
  ranges: readonly ByteRange[],
  sizeBytes: number,
  partType: string,
  boundary = newBoundary(),
): MultipartPlan {
  const parts = ranges.map((range, index) => {
    const delimiter = `${index === 0 ? '' : '\r\n'}--${boundary}\r\n`
    const headers = `Content-Type: ${partType}\r\nContent-Range: ${contentRange(range, sizeBytes)}\r\n\r\n`
    return { head: Buffer.from(delimiter + headers, 'latin1'), range }
  })
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1')
  let lengthBytes = tail.byteLength
  for (const { head, range } of parts) lengthBytes += head.byteLength + range.end - range.start
  return { contentType: `multipart/byteranges; boundary=${boundary}`, lengthBytes, parts, tail }
}

/** 128 random bits: it will not occur in a layer by chance, and nobody can prepare a layer that has it. */
function newBoundary(): string {
  return randomBytes(16).toString('hex')
}
