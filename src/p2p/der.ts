/**
 * As much of the distinguished encoding rules (X.690 section 10) as one certificate takes: each function gives the whole
 * element, tag and length included.
 */

/** The tag of a context-specific, constructed element. */
export function contextTag(number: number): number {
  return 0xa0 | number
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, ...parts)
}

/** A SET of what is already in order. */
export function setOf(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x31, ...parts)
}

/** An element under an explicit tag of its own. */
export function explicit(tag: number, inner: Uint8Array): Uint8Array {
  return element(tag, inner)
}

/** An integer of the given big-endian bytes, in two's complement and no longer than need be. */
export function integer(bytes: Uint8Array): Uint8Array {
  return element(0x02, bytes)
}

/** A bit string of whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(0x03, Buffer.of(0), bytes)
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return element(0x04, bytes)
}

export function utf8(text: string): Uint8Array {
  return element(0x0c, Buffer.from(text))
}

/** UTCTime until 2049 and GeneralizedTime after, both with whole seconds (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Uint8Array {
  const text = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  return date.getUTCFullYear() < 2050 ? element(0x17, Buffer.from(text.slice(2))) : element(0x18, Buffer.from(text))
}

/** The first two numbers share a byte, as 40 times the first plus the second; all others here are below 128. */
export function objectId(first: number, second: number, ...others: readonly number[]): Uint8Array {
  return element(0x06, Buffer.of(first * 40 + second, ...others))
}

function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.of(tag), lengthOf(content.byteLength), content])
}

/** Short form below 128, else the bytes of the length behind their number. */
function lengthOf(bytes: number): Uint8Array {
  if (bytes < 0x80) return Buffer.of(bytes)
  return bytes < 0x100 ? Buffer.of(0x81, bytes) : Buffer.of(0x82, bytes >> 8, bytes & 0xff)
}
