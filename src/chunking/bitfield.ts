import { BitfieldError } from './errors.ts'

/** A set of chunk numbers below `length`; on the wire bit i is in byte i >> 3, counted from the most significant. */
export class Bitfield {
  readonly length: number
  readonly #bytes: Uint8Array
  #count = 0

  constructor(length: number) {
    this.length = length
    this.#bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /** Copies `bytes`; throws a BitfieldError unless they are exactly as long as `length` bits need and the padding is zero. */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield {
    const field = new Bitfield(length)
    if (bytes.byteLength !== field.#bytes.byteLength) {
      throw new BitfieldError(
        `a bitfield of ${length} chunks has ${field.#bytes.byteLength} bytes, got ${bytes.byteLength}`,
      )
    }
    const padding = length % 8 === 0 ? 0 : 0xff >> (length % 8)
    if (((bytes.at(-1) ?? 0) & padding) !== 0) throw new BitfieldError('padding bits of a bitfield are not zero')
    field.#bytes.set(bytes)
    for (const byte of bytes) field.#count += bitsIn(byte)
    return field
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count
  }

  /** False for a number outside the field. */
  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0
  }

  /** Throws a RangeError for a number outside the field. */
  set(index: number): void {
    this.#check(index)
    if (this.has(index)) return
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7))
    this.#count++
  }

  /** Throws a RangeError for a number outside the field. */
  clear(index: number): void {
    this.#check(index)
    if (!this.has(index)) return
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7))
    this.#count--
  }

  /** The numbers in the set, ascending. */
  *indices(): Generator<number> {
    for (let index = 0; index < this.length; index++) if (this.has(index)) yield index
  }

  /** A copy in wire form. */
  toBytes(): Uint8Array {
    return this.#bytes.slice()
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`bit ${index} is outside ${this.length} bits`)
    }
  }
}

function bitsIn(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
