import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ChunkLayout, cutAlongToc, gridLayout, TocLayout } from '../../../src/chunking/index.ts'
import { digestOf, type PeerRole, ShoalError } from '../../../src/core/index.ts'
import { TocError } from '../../../src/layouts/errors.ts'
import { LayoutBook, Layouts } from '../../../src/layouts/index.ts'
import { membersOf } from '../../../src/layouts/toc-members.ts'
import { tocAnchorOf } from '../../../src/oci/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { estargzLayer } from '../../support/toc-layers.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const files = Array.from({ length: 9 }, (_, index) => ({ name: `app/${index}`, content: Buffer.alloc(900, index) }))
const layer = estargzLayer(files)
const ref = { digest: digestOf(layer.bytes), sizeBytes: layer.bytes.byteLength }
const anchor = tocAnchorOf(layer.annotations) ?? assert.fail('no anchor')
const access = { origins: [{ namespace: 'origin.test', repository: 'app' }], authorization: 'Bearer t' }
const question = { ref, anchor, origins: [] }

/** Two cuts that only peers could name: no table of contents of the layer makes them. */
const [named, other] = [1, 2].map((end) => new TocLayout(Float64Array.from([end, ref.sizeBytes])))
assert.ok(named && other)

const down = new ShoalError('down', { code: 'DOWN', blame: 'origin', retryable: true })

interface LabInit {
  readonly role?: PeerRole
  readonly ofTrackers?: ChunkLayout
  readonly ofAgents?: readonly ChunkLayout[]
  readonly held?: ChunkLayout
  readonly originFails?: boolean
  readonly hasAnchor?: boolean
}

/** Layouts whose peers, registry and store the test plays. */
function layoutsLab(init: LabInit = {}) {
  const clock = new VirtualClock()
  const book = new LayoutBook()
  const metrics = new Metrics()
  const asked = { trackers: 0, agents: 0, origin: 0, grants: [] as unknown[], access: [] as unknown[] }
  const layouts = new Layouts(
    { role: init.role ?? 'agent', agreement: 2 },
    {
      book,
      anchorOf: () => (init.hasAnchor === false ? undefined : anchor),
      reader: {
        prepare: () => undefined,
        read: async (section) => membersOf(section),
        stop: async () => undefined,
      },
      tails: { note: () => undefined },
      origin: {
        async *readBlob(_ref, given, { start, end }) {
          asked.origin++
          asked.access.push(given)
          if (init.originFails === true) throw down
          yield layer.bytes.subarray(start, end)
        },
      },
      peers: {
        async ofTrackers({ origins }) {
          asked.trackers++
          asked.grants.push(...origins)
          return init.ofTrackers
        },
        async *ofAgents({ origins }) {
          asked.agents++
          assert.deepEqual(origins, [])
          yield* init.ofAgents ?? []
        },
      },
      heldLayoutOf: () => init.held,
      clock,
      logger: silentLogger(),
      metrics,
    },
  )
  return { clock, book, layouts, asked, metrics }
}

const ofToc = cutAlongToc(membersOf({ ...anchor, bytes: tocBytes(), offset: tocOffset() }), ref.sizeBytes)

function tocOffset(): number {
  return Number.parseInt(layer.bytes.toString('latin1', ref.sizeBytes - 35, ref.sizeBytes - 19), 16)
}

function tocBytes(): Uint8Array {
  return layer.bytes.subarray(tocOffset(), -51)
}

describe('the layout of a layer with a table of contents', () => {
  it('is what a tracker says, which is told of the rights to read it', async () => {
    const { layouts, asked } = layoutsLab({ ofTrackers: named })
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).fingerprint, named.fingerprint)
    assert.deepEqual(asked.grants, [{ ...access.origins[0], authorization: 'Bearer t' }])
    assert.equal(asked.agents + asked.origin, 0)
  })

  it('is asked for once by a manifest and by who reads the layer then', async () => {
    const { layouts, asked } = layoutsLab({ ofTrackers: named })
    layouts.foresee([ref], access)
    await layouts.find(ref, access, {})
    layouts.foresee([ref], access)
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).fingerprint, named.fingerprint)
    assert.equal(asked.trackers, 1)
  })

  it('is not looked ahead for by a tracker, nor without a table of contents', async () => {
    for (const init of [{ role: 'tracker' as const }, { hasAnchor: false }]) {
      const { layouts, asked } = layoutsLab({ ...init, ofTrackers: named })
      layouts.foresee([ref], access)
      await layouts.find(ref, access, {})
      assert.equal(asked.trackers + asked.agents + asked.origin, 0)
    }
  })

  it('is the grid where the tracker has cut it so', async () => {
    const { layouts, asked } = layoutsLab({ ofTrackers: gridLayout(ref.sizeBytes) })
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).kind, 'grid')
    assert.equal(asked.origin, 0)
  })

  it('is what two agents agree on where there is no tracker', async () => {
    const { layouts, asked } = layoutsLab({ ofAgents: [other, named, named] })
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).fingerprint, named.fingerprint)
    assert.equal(asked.origin, 0)
  })

  it('is read at the origin rather than believed of one agent', async () => {
    const { layouts } = layoutsLab({ ofAgents: [other] })
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).fingerprint, ofToc.fingerprint)
  })

  it('is that of one agent when the origin is down, so that what it holds can be had', async () => {
    const { layouts } = layoutsLab({ ofAgents: [other], originFails: true })
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).fingerprint, other.fingerprint)
  })

  it('is the grid when nobody can say, without a failure', async () => {
    const { layouts, metrics } = layoutsLab({ originFails: true })
    await layouts.find(ref, access, {})
    assert.equal(layouts.layoutOf(ref).kind, 'grid')
    assert.match(await metrics.render(), /shoal_layouts_settled_total\{source="none"\} 1/)
  })

  it('is asked for once, and never of a blob that is held or has no table of contents', async () => {
    const settled = layoutsLab({ ofTrackers: named })
    for (let i = 0; i < 3; i++) await settled.layouts.find(ref, access, {})
    assert.equal(settled.asked.trackers, 1)
    for (const init of [{ held: gridLayout(ref.sizeBytes) }, { hasAnchor: false }]) {
      const { layouts, asked } = layoutsLab({ ...init, ofTrackers: named })
      await layouts.find(ref, access, {})
      assert.equal(layouts.layoutOf(ref).kind, 'grid')
      assert.equal(asked.trackers, 0)
    }
  })

  it('is not asked of trackers again for a while that said nothing', async () => {
    const { clock, layouts, asked } = layoutsLab({ originFails: true })
    await layouts.find(ref, access, {})
    await layouts.find(ref, access, {})
    assert.equal(asked.trackers, 1)
    await clock.advance(30_001)
    await layouts.find(ref, access, {})
    assert.equal(asked.trackers, 2)
  })
})

describe('a tracker that is asked how a layer is cut', () => {
  it('reads its table of contents once, with the right that came along', async () => {
    const { layouts, asked } = layoutsLab({ role: 'tracker' })
    const origins = [{ namespace: 'origin.test', repository: 'app', authorization: 'Bearer t' }]
    const answers = await Promise.all([1, 2, 3].map(async () => await layouts.answer({ ...question, origins }, {})))
    for (const answer of answers) assert.equal(answer?.fingerprint, ofToc.fingerprint)
    assert.equal(asked.origin, 1)
    assert.deepEqual(asked.access, [{ origins, authorization: 'Bearer t' }])
  })

  it('settles on the grid when it cannot be read, and stays with it', async () => {
    const { layouts, asked } = layoutsLab({ role: 'tracker', originFails: true })
    for (let i = 0; i < 2; i++) assert.equal((await layouts.answer(question, {}))?.kind, 'grid')
    assert.equal(asked.origin, 1)
  })

  it('settles on the grid when the layer has another table of contents than its manifest says', async () => {
    const { layouts } = layoutsLab({ role: 'tracker' })
    const wrong = { ...anchor, digest: digestOf(Buffer.from('another')) }
    assert.equal((await layouts.answer({ ...question, anchor: wrong }, {}))?.kind, 'grid')
    assert.throws(() => membersOf({ ...wrong, bytes: tocBytes(), offset: tocOffset() }), TocError)
  })

  it('says how it has cut what it holds, and looks for nothing of its own accord', async () => {
    const { layouts, asked } = layoutsLab({ role: 'tracker', held: gridLayout(ref.sizeBytes) })
    assert.equal((await layouts.answer(question, {}))?.kind, 'grid')
    await layouts.find(ref, access, {})
    assert.deepEqual([asked.origin, asked.trackers], [0, 0])
  })
})

it('an agent that is asked says what it holds, or nothing', async () => {
  assert.equal((await layoutsLab({ held: named }).layouts.answer(question, {}))?.fingerprint, named.fingerprint)
  const { layouts, asked } = layoutsLab()
  assert.equal(await layouts.answer(question, {}), undefined)
  assert.equal(asked.origin, 0)
})

it('a settled layout is none of a blob with another size', () => {
  const book = new LayoutBook()
  book.settle(ref, named)
  assert.equal(book.layoutOf(ref), named)
  assert.equal(book.layoutOf({ ...ref, sizeBytes: ref.sizeBytes + 1 }), undefined)
})
