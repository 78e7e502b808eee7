import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GridLayout } from '../../../src/chunking/index.ts'
import { assembleChunks, ChunkAssembler } from '../../../src/scheduler/chunk-assembler.ts'

const layout = new GridLayout(10, 4)
const bytes = Uint8Array.from({ length: 10 }, (_, i) => i)

describe('the chunk assembler', () => {
  it('hands a piece that is one whole chunk on without a copy', () => {
    const piece = bytes.slice(0, 4)
    const [only] = [...new ChunkAssembler(layout, 0).push(piece)]
    assert.equal(only?.payload.bytes, piece)
  })

  it('cuts one piece into all its chunks, the last one shorter', () => {
    const chunks = [...new ChunkAssembler(layout, 0).push(bytes)]
    assert.deepEqual(
      chunks.map(({ chunk, payload }) => [chunk, ...payload.bytes]),
      [
        [0, 0, 1, 2, 3],
        [1, 4, 5, 6, 7],
        [2, 8, 9],
      ],
    )
  })

  it('gives chunks memory of their own, since a piece may be used again', () => {
    const assembler = new ChunkAssembler(layout, 0)
    const piece = bytes.slice(0, 2)
    assert.deepEqual([...assembler.push(piece)], [])
    piece.fill(99)
    const [chunk] = [...assembler.push(bytes.slice(2, 4))]
    assert.deepEqual([...(chunk?.payload.bytes ?? [])], [0, 1, 2, 3])
  })

  it('ignores what comes after the last chunk', () => {
    const chunks = [...new ChunkAssembler(layout, 2).push(bytes)]
    assert.deepEqual(
      chunks.map(({ chunk }) => chunk),
      [2],
    )
  })

  it('ends a stream that breaks off with the last whole chunk', async () => {
    async function* pieces() {
      yield bytes.slice(0, 3)
      yield bytes.slice(3, 6)
    }
    const chunks: number[] = []
    for await (const { chunk } of assembleChunks(pieces(), layout, 0)) chunks.push(chunk)
    assert.deepEqual(chunks, [0])
  })
})
