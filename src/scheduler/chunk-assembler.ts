import type { ChunkLayout } from '../chunking/index.ts'
import { type Buffers, freshBuffers, type Lease, unpooled } from '../util/index.ts'

/** A whole chunk, not verified. */
export interface AssembledChunk {
  readonly chunk: number
  readonly payload: Lease
}

/**
 * The chunks that `pieces`, which begin with the first byte of `firstChunk`, add up to; ends with the last whole one. The
 * caller gives each payload back.
 */
export async function* assembleChunks(
  pieces: AsyncIterable<Uint8Array>,
  layout: ChunkLayout,
  firstChunk: number,
  buffers: Buffers = freshBuffers,
): AsyncGenerator<AssembledChunk> {
  const assembler = new ChunkAssembler(layout, firstChunk, buffers)
  for await (const piece of pieces) yield* assembler.push(piece)
}

/** Cuts a stream of bytes that begins at a chunk boundary into whole chunks. */
export class ChunkAssembler {
  readonly #layout: ChunkLayout
  readonly #buffers: Buffers
  #chunk: number
  #filled = 0
  #payload: Lease | undefined

  constructor(layout: ChunkLayout, firstChunk: number, buffers: Buffers = freshBuffers) {
    this.#layout = layout
    this.#buffers = buffers
    this.#chunk = firstChunk
  }

  /** The chunks that `piece` completes; they do not share memory with each other. */
  *push(piece: Uint8Array): Iterable<AssembledChunk> {
    let rest = piece
    while (rest.byteLength > 0 && this.#chunk < this.#layout.chunkCount) {
      const length = this.#layout.lengthOf(this.#chunk)
      if (this.#filled === 0 && rest.byteLength === length) {
        // A piece that is one whole chunk needs no copy.
        yield { chunk: this.#chunk++, payload: unpooled(rest) }
        return
      }
      this.#payload ??= this.#buffers.lease(length)
      const taken = Math.min(rest.byteLength, length - this.#filled)
      this.#payload.bytes.set(rest.subarray(0, taken), this.#filled)
      this.#filled += taken
      rest = rest.subarray(taken)
      if (this.#filled < length) return
      const payload = this.#payload
      this.#payload = undefined
      this.#filled = 0
      yield { chunk: this.#chunk++, payload }
    }
  }
}
