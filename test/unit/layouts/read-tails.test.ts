import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { ReadTails } from '../../../src/layouts/index.ts'

const bytes = Uint8Array.from({ length: 100 }, (_, index) => index)
const ref = { digest: digestOf(bytes), sizeBytes: bytes.byteLength }
const options = { bandwidthClass: () => 'lazy' as const }

/** An origin that notes what is read of it, each time as [start, end). */
function lab() {
  const ranges: [number, number][] = []
  const tails = new ReadTails({
    async *readBlob(_ref, _access, { start, end }) {
      ranges.push([start, end])
      yield bytes.subarray(start, end)
    },
  })
  const read = async (start: number, end: number) => {
    const pieces: Uint8Array[] = []
    for await (const piece of tails.readBlob(ref, { origins: [] }, { start, end }, options)) pieces.push(piece)
    assert.deepEqual(Buffer.concat(pieces), Buffer.from(bytes.subarray(start, end)))
  }
  return { ranges, tails, read }
}

describe('an origin whose ends of layers were read', () => {
  it('sends everything of a layer of which none was', async () => {
    const { ranges, read } = lab()
    await read(10, 100)
    assert.deepEqual(ranges, [[10, 100]])
  })

  it('sends no byte of an end again, and all that is before it', async () => {
    const { ranges, tails, read } = lab()
    tails.note(ref, 60, bytes.subarray(60))
    await read(60, 100)
    await read(70, 80)
    assert.deepEqual(ranges, [])
    await read(50, 70)
    await read(0, 60)
    await read(5, 20)
    assert.deepEqual(ranges, [
      [50, 60],
      [0, 60],
      [5, 20],
    ])
  })
})
