import assert from 'node:assert/strict'

/** One part of a multipart/byteranges body. */
export interface ParsedPart {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  /** The size of the whole, from Content-Range. */
  readonly sizeBytes: number
  readonly type: string
  readonly bytes: Buffer
}

/** A strict reader of multipart/byteranges as containers/image and stargz read it: no preamble, part lengths by Content-Range. */
export function parseMultipart(contentType: string, body: Buffer): ParsedPart[] {
  const boundary = /^multipart\/byteranges; boundary=([A-Za-z0-9]+)$/.exec(contentType)?.[1]
  assert.ok(boundary !== undefined, `an unquoted boundary in ${contentType}`)
  const parts: ParsedPart[] = []
  let at = 0
  for (;;) {
    const delimiter: string = `${parts.length === 0 ? '' : '\r\n'}--${boundary}`
    assert.equal(body.toString('latin1', at, at + delimiter.length), delimiter)
    at += delimiter.length
    if (body.toString('latin1', at, at + 2) === '--') {
      assert.equal(body.toString('latin1', at), '--\r\n')
      return parts
    }
    const headEnd = body.indexOf('\r\n\r\n', at)
    const head = body.toString('latin1', at, headEnd)
    const [, start, last, size] = (/\r\nContent-Range: bytes (\d+)-(\d+)\/(\d+)/.exec(head) ?? []).map(Number)
    assert.ok(start !== undefined && last !== undefined && size !== undefined, `a Content-Range in ${head}`)
    const type = /\r\nContent-Type: ([^\r]+)/.exec(head)?.[1] ?? ''
    at = headEnd + 4
    parts.push({ start, end: last + 1, sizeBytes: size, type, bytes: body.subarray(at, at + last + 1 - start) })
    at += last + 1 - start
  }
}
