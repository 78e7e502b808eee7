import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { TocError } from '../../../src/layouts/errors.ts'
import { WorkerTocReader } from '../../../src/layouts/index.ts'
import { readToc } from '../../../src/layouts/origin-toc.ts'
import { tocAnchorOf } from '../../../src/oci/index.ts'
import { someFiles } from '../../support/toc-image.ts'
import { estargzLayer } from '../../support/toc-layers.ts'

/** Too long to be read on the main thread, and one that is not. */
const layer = estargzLayer(someFiles(1_500, 100))
const shortLayer = estargzLayer(someFiles(50, 1_000))
async function section({ bytes, annotations } = layer) {
  const anchor = tocAnchorOf(annotations) ?? assert.fail('no anchor')
  const ref = { digest: digestOf(bytes), sizeBytes: bytes.byteLength }
  const origin = {
    async *readBlob(_ref: unknown, _access: unknown, { start, end }: { start: number; end: number }) {
      yield bytes.subarray(start, end)
    },
  }
  return (await readToc(ref, anchor, { origins: [] }, origin, {})).section
}

describe('a table of contents read in a worker', { timeout: 30_000 }, () => {
  it('gives the members of the layer, also to several who ask at once', async () => {
    const reader = new WorkerTocReader()
    const toc = await section()
    const found = await Promise.all([reader.read(toc, {}), reader.read(toc, {})])
    for (const { offsets } of found) assert.deepEqual([...offsets], layer.offsets)
  })

  it('gives those of a short one as well', async () => {
    const found = await new WorkerTocReader().read(await section(shortLayer), {})
    assert.deepEqual([...found.offsets], shortLayer.offsets)
  })

  it('that is another one is refused, and the next one read', async () => {
    const reader = new WorkerTocReader()
    const toc = await section()
    await assert.rejects(reader.read({ ...toc, digest: digestOf(Buffer.alloc(3)) }, {}), TocError)
    assert.equal((await reader.read(toc, {})).offsets.length, 1_500)
  })

  it('is given up when nobody waits for it', async () => {
    const reader = new WorkerTocReader()
    const toc = await section()
    const leaving = new AbortController()
    const reading = reader.read(toc, { signal: leaving.signal })
    leaving.abort(new Error('left'))
    await assert.rejects(reading, /left/)
    await assert.rejects(reader.read(toc, { signal: leaving.signal }), /left/)
  })
})
