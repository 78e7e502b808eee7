import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { AdminUnreachableError } from '../../../src/cli/errors.ts'
import { readLines } from '../../../src/cli/line-reader.ts'

async function linesOf(parts: readonly Uint8Array[]): Promise<string[]> {
  const lines: string[] = []
  for await (const line of readLines(parts)) lines.push(line)
  return lines
}

describe('reading lines', () => {
  it('finds the same lines wherever the bytes are cut', async () => {
    const text = '{"a":"ä€😀"}\r\n\n{"b":2}\n last'
    const bytes = Buffer.from(text)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 6 }), async (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
        const parts = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
        assert.deepEqual(await linesOf(parts), ['{"a":"ä€😀"}', '{"b":2}', 'last'])
      }),
    )
  })

  it('refuses a line without an end in sight', async () => {
    await assert.rejects(linesOf([Buffer.alloc(40_000, 'x'), Buffer.alloc(40_000, 'x')]), AdminUnreachableError)
  })
})
