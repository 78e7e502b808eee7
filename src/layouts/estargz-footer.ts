/** Bytes of the footer that ends every eStargz layer: an empty gzip member that names the place of the table of contents. */
export const ESTARGZ_FOOTER_BYTES = 51

/** From the gzip header to the text: magic, deflate, an extra field of 26 bytes, its subfield `SG` of 22. */
const BEFORE_TEXT = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0])

/** Header bytes that compressors are free in: time, compression level and system. */
const FREE_BYTES = [4, 5, 6, 7, 8, 9]

const TEXT = /^([0-9a-f]{16})STARGZ$/

/** Where the table of contents of a layer begins that ends with `footer`; `undefined` when it is no eStargz layer. */
export function tocOffsetOf(footer: Uint8Array): number | undefined {
  if (footer.byteLength !== ESTARGZ_FOOTER_BYTES) return undefined
  if (BEFORE_TEXT.some((byte, index) => !FREE_BYTES.includes(index) && footer[index] !== byte)) return undefined
  const text = Buffer.from(footer.buffer, footer.byteOffset, footer.byteLength).toString('latin1', 16, 38)
  const [, hex] = TEXT.exec(text) ?? []
  const offset = hex === undefined ? Number.NaN : Number.parseInt(hex, 16)
  return Number.isSafeInteger(offset) ? offset : undefined
}
