import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BlobRef } from '../../../src/core/index.ts'
import {
  defaultSettings,
  type FollowEvents,
  InFlightBudget,
  type PeerLink,
  Scheduler,
} from '../../../src/scheduler/index.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { BandwidthLimiter, UNLIMITED, unpooled } from '../../../src/util/index.ts'
import { SimulatedContent, SimulatedStore } from '../../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const CHUNK_BYTES = 1_000
const CHUNKS = 100

const contentOf = (name: string, fill: number) =>
  SimulatedContent.real(name, new Uint8Array(CHUNKS * CHUNK_BYTES).fill(fill), CHUNK_BYTES)

/** A tracker that has everything and answers at once; notes when it is asked for what, and how urgently. */
class InstantTracker implements PeerLink {
  readonly id = 'tracker'
  readonly role = 'tracker'
  readonly zone = ''
  readonly asked: { readonly ref: BlobRef; readonly urgency: string | undefined }[] = []
  readonly #contents: readonly SimulatedContent[]

  constructor(contents: readonly SimulatedContent[]) {
    this.#contents = contents
  }

  follow(ref: BlobRef, _origins: unknown, events: FollowEvents) {
    const content = this.#contents.find((one) => one.ref.digest === ref.digest)
    assert.ok(content)
    queueMicrotask(() => events.onBitfield(new Uint8Array(Math.ceil(CHUNKS / 8))))
    let next = 0
    const request: ReturnType<PeerLink['follow']>['request'] = async (wanted, { urgency }) => {
      this.asked.push({ ref, urgency })
      const chunk = wanted === 'any' ? next++ : wanted
      return { chunk, payload: unpooled(content.bytesOf(chunk)), digest: content.digestAt(chunk) }
    }
    return { request, requestMap: async () => undefined, close: () => undefined }
  }

  countOf({ ref }: SimulatedContent): number {
    return this.asked.filter((one) => one.ref.digest === ref.digest).length
  }
}

/** A scheduler whose downloads share a limit of ten chunks a second. */
function limitedScheduler(contents: readonly SimulatedContent[]) {
  const clock = new VirtualClock()
  const tracker = new InstantTracker(contents)
  const bandwidth = new BandwidthLimiter({ ...UNLIMITED, total: 10 * CHUNK_BYTES }, { clock })
  const scheduler = new Scheduler(
    { selfId: 'agent', settings: defaultSettings },
    {
      store: new SimulatedStore(contents),
      layoutOf: () => contentOf('any', 0).layout,
      network: {
        connect: async () => tracker,
        trackers: () => [{ id: tracker.id, addresses: [] }],
        neighbours: () => [],
        punish: () => undefined,
      },
      router: { findPeers: async function* () {}, provide: () => undefined },
      origin: { readBlob: () => assert.fail('the tracker has everything') },
      budget: new InFlightBudget(defaultSettings.inFlightBytes),
      bandwidth,
      clock,
      random: () => 0.5,
      logger: silentLogger(),
      hash: SimulatedContent.hash,
      isTrustedSigner: () => false,
      makeMap: async () => undefined,
    },
  )
  const open = async (content: SimulatedContent) => await scheduler.open(content.ref, { origins: [] }, {})
  return { clock, tracker, bandwidth, scheduler, open }
}

describe('a download under a limit', () => {
  it('asks for no more than may come, and for more at once when the limit is raised', async () => {
    const content = contentOf('layer', 1)
    const { clock, tracker, bandwidth, scheduler, open } = limitedScheduler([content])
    const handle = await open(content)
    const pulling = handle.complete('whole', () => undefined, {})
    await clock.advance(3_000)
    // Thirty in three seconds, and at the beginning two or three that a burst has room for.
    const limited = tracker.countOf(content)
    assert.ok(limited >= 30 && limited <= 33, `${limited} chunks`)
    bandwidth.setRates({ ...UNLIMITED, total: 40 * CHUNK_BYTES })
    await clock.advance(1_000)
    const raised = tracker.countOf(content) - limited
    assert.ok(raised >= 39 && raised <= 43, `${raised} chunks`)
    bandwidth.setRates(UNLIMITED)
    await clock.advance(100)
    await pulling
    assert.equal(tracker.countOf(content), CHUNKS)
    assert.equal(bandwidth.waitingCount, 0)
    handle.close()
    await scheduler.stop()
  })

  it('lets a reader of a range pass the pulls of other layers, and pulls pass what nobody waits for', async () => {
    const [pulled, lazy, ahead] = [contentOf('pulled', 1), contentOf('lazy', 2), contentOf('ahead', 3)]
    const { clock, tracker, scheduler, open } = limitedScheduler([pulled, lazy, ahead])
    const stop = new AbortController()
    const options = { signal: stop.signal }
    const handles = await Promise.all([open(ahead), open(pulled), open(lazy)])
    const [aheadHandle, pulledHandle, lazyHandle] = handles
    const background = aheadHandle.complete('whole', () => undefined, { ...options, bandwidth: 'background' })
    await clock.advance(1_000)
    const begun = tracker.countOf(ahead)
    const pulling = pulledHandle.complete('whole', () => undefined, options)
    await clock.advance(2_000)
    assert.ok(tracker.countOf(ahead) - begun <= 1, 'what nobody waits for went on beside a pull')
    assert.ok(tracker.countOf(pulled) >= 19)

    let waitedMs = Number.POSITIVE_INFINITY
    const startMs = clock.now()
    const reading = (async () => {
      for await (const _ of lazyHandle.read({ start: 50_000, end: 50_100 }, 'range', {}))
        waitedMs = clock.now() - startMs
    })()
    await clock.advance(500)
    await reading
    assert.ok(waitedMs <= 101, `the reader waited ${waitedMs} ms`)
    assert.deepEqual(
      [ahead, lazy].map(({ ref }) => [
        ...new Set(tracker.asked.filter((one) => one.ref === ref).map((one) => one.urgency)),
      ]),
      [['idle'], ['now']],
    )
    stop.abort()
    await Promise.allSettled([background, pulling])
    for (const handle of handles) handle.close()
    await scheduler.stop()
  })
})
