import type { ChunkLayout } from '../chunking/index.ts'

/** A whole chunk and its bytes, not verified. */
export interface AssembledChunk {
  readonly chunk: number
  readonly bytes: Uint8Array
}

/** The chunks that `pieces`, which begin with the first byte of `firstChunk`, add up to; ends with the last whole one. */
export async function* assembleChunks(
  pieces: AsyncIterable<Uint8Array>,
  layout: ChunkLayout,
  firstChunk: number,
): AsyncGenerator<AssembledChunk> {
  const assembler = new ChunkAssembler(layout, firstChunk)
  for await (const piece of pieces) yield* assembler.push(piece)
}

/** Cuts a stream of bytes that begins at a chunk boundary into whole chunks. */
export class ChunkAssembler {
  readonly #layout: ChunkLayout
  #chunk: number
  #filled = 0
  #bytes: Uint8Array | undefined

  constructor(layout: ChunkLayout, firstChunk: number) {
    this.#layout = layout
    this.#chunk = firstChunk
  }

  /** The chunks that `piece` completes; they do not share memory with each other. */
  *push(piece: Uint8Array): Iterable<AssembledChunk> {
    let rest = piece
    while (rest.byteLength > 0 && this.#chunk < this.#layout.chunkCount) {
      const length = this.#layout.lengthOf(this.#chunk)
      if (this.#filled === 0 && rest.byteLength === length) {
        // A piece that is one whole chunk needs no copy.
        yield { chunk: this.#chunk++, bytes: rest }
        return
      }
      this.#bytes ??= Buffer.allocUnsafeSlow(length)
      const taken = Math.min(rest.byteLength, length - this.#filled)
      this.#bytes.set(rest.subarray(0, taken), this.#filled)
      this.#filled += taken
      rest = rest.subarray(taken)
      if (this.#filled < length) return
      const bytes = this.#bytes
      this.#bytes = undefined
      this.#filled = 0
      yield { chunk: this.#chunk++, bytes }
    }
  }
}
