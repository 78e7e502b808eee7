import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { TocError } from '../../../src/layouts/errors.ts'
import { readToc } from '../../../src/layouts/origin-toc.ts'
import { membersOf } from '../../../src/layouts/toc-members.ts'
import { type TocAnchor, tocAnchorOf } from '../../../src/oci/index.ts'
import { estargzFooter, estargzLayer, zstdChunkedLayer } from '../../support/toc-layers.ts'

/** Reads of a layer, each as [start, end). */
function originOf(bytes: Buffer) {
  const ranges: [number, number][] = []
  const ref = { digest: digestOf(bytes), sizeBytes: bytes.byteLength }
  const read = async (anchor: TocAnchor) =>
    (await readToc(ref, anchor, { origins: [] }, { readBlob: readBlob.bind(undefined, bytes, ranges) }, {})).section
  return { ranges, read }
}

async function* readBlob(bytes: Buffer, ranges: [number, number][], ...args: unknown[]) {
  const { start, end } = args[2] as { start: number; end: number }
  ranges.push([start, end])
  // In two pieces, as a network brings them.
  const middle = (start + end) >> 1
  yield bytes.subarray(start, middle)
  yield bytes.subarray(middle, end)
}

const files = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `app/${index}`, content: randomBytes(200) }))

function anchorOf({ annotations }: { annotations: Readonly<Record<string, string>> }): TocAnchor {
  return tocAnchorOf(annotations) ?? assert.fail('no anchor')
}

test('takes one request at the end of an eStargz layer', async () => {
  const layer = estargzLayer(files(20))
  const { ranges, read } = originOf(layer.bytes)
  assert.deepEqual([...membersOf(await read(anchorOf(layer))).offsets], layer.offsets)
  assert.equal(ranges.length, 1)
})

test('takes a second one for what is left of a long table of contents', async () => {
  const layer = estargzLayer(files(2_000))
  const { ranges, read } = originOf(layer.bytes)
  assert.deepEqual([...membersOf(await read(anchorOf(layer))).offsets], layer.offsets)
  assert.equal(ranges.length, 2)
  assert.equal(ranges[1]?.[1], ranges[0]?.[0])
})

test('takes one request where the manifest says the place', async () => {
  const layer = zstdChunkedLayer(files(20))
  const { ranges, read } = originOf(layer.bytes)
  assert.deepEqual([...membersOf(await read(anchorOf(layer))).offsets], layer.offsets)
  assert.equal(ranges.length, 1)
})

test('refuses a layer that does not end as eStargz does, or whose footer points outside of it', async () => {
  const anchor = anchorOf(estargzLayer(files(1)))
  for (const bytes of [Buffer.alloc(10), Buffer.alloc(500), Buffer.concat([Buffer.alloc(500), estargzFooter(500)])])
    await assert.rejects(originOf(bytes).read(anchor), TocError)
})

test('reads nothing of a table of contents that is too long or not in the layer', async () => {
  const digest = digestOf(Buffer.alloc(1))
  const places = [
    { offset: 0, sizeBytes: 9_000_000, rawBytes: 1 },
    { offset: 0, sizeBytes: 10, rawBytes: 100_000_000 },
    { offset: 495, sizeBytes: 10, rawBytes: 1 },
    { offset: 0, sizeBytes: 0, rawBytes: 0 },
  ]
  for (const place of places) {
    const { ranges, read } = originOf(Buffer.alloc(500))
    await assert.rejects(read({ format: 'zstd-chunked', digest, ...place }), TocError)
    assert.equal(ranges.length, 0)
  }
})
