import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AbortOptions, digestOf, ShoalError } from '../../../src/core/index.ts'
import type { BlobHandle } from '../../../src/scheduler/index.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { type SeededBlob, Seeding } from '../../../src/tracker/seeding.ts'
import { Turns } from '../../../src/tracker/turns.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const ref = { digest: digestOf(Buffer.from('blob')), sizeBytes: 40 }

/** A seeding of four chunks whose blob and swarm the test plays. */
function seedingLab() {
  const clock = new VirtualClock()
  const held = new Set<number>()
  const holders = new Map<number, Set<string>>()
  const left = new Set<string>()
  const whole = Promise.withResolvers<void>()
  const log = { completions: 0, released: 0, isClosed: false }
  const blob: SeededBlob & { isComplete: boolean; offerMs: number } = {
    chunkCount: 4,
    isComplete: false,
    offerMs: 0,
    has: (chunk) => held.has(chunk),
    copiesOf: (chunk) => holders.get(chunk)?.size ?? 0,
    isHeldBy: (peerId, chunk) => holders.get(chunk)?.has(peerId) ?? false,
    hasLeft: (peerId) => left.has(peerId),
  }
  const handle = {
    complete: async (_kind: string, _onProgress: () => void, { signal }: AbortOptions) => {
      log.completions++
      signal?.addEventListener('abort', () => whole.reject(signal.reason))
      await whole.promise
    },
    lend: async function* () {
      yield { bytes: new Uint8Array(10), share: assert.fail, release: () => void log.released++ }
    },
    close: () => {
      log.isClosed = true
    },
  }
  const seeding = new Seeding(ref, blob, handle as unknown as BlobHandle, {
    turns: new Turns(),
    clock,
    logger: silentLogger(),
  })
  return {
    clock,
    seeding,
    blob,
    whole,
    log,
    arrives(chunk: number) {
      held.add(chunk)
      seeding.chunkHeld(chunk)
    },
    leaves(peerId: string) {
      left.add(peerId)
      for (const peers of holders.values()) peers.delete(peerId)
    },
    has(peerId: string, chunk: number) {
      holders.set(chunk, (holders.get(chunk) ?? new Set()).add(peerId))
    },
  }
}

describe('the seeding of a blob', () => {
  it('hands different chunks to different peers first', async () => {
    const { seeding, arrives } = seedingLab()
    for (const chunk of [0, 1, 2, 3]) arrives(chunk)
    const taken = await Promise.all(['a', 'b', 'c', 'a'].map(async (peer) => await seeding.take(peer, {})))
    assert.deepEqual(taken, [0, 1, 2, 3])
    await seeding.close()
  })

  it('tells of a chunk for a while before it hands it out, and not to who says meanwhile that it has it', async () => {
    const { clock, seeding, arrives, blob, has } = seedingLab()
    blob.offerMs = 250
    arrives(0)
    arrives(1)
    let first: unknown
    const taking = seeding.take('a', {}).then((taken) => {
      first = taken
    })
    await clock.advance(249)
    assert.equal(first, undefined)
    has('a', 0)
    await clock.advance(1)
    await taking
    assert.equal(first, 1)
    await seeding.close()
  })

  it('fetches the blob once however many ask', async () => {
    const { clock, seeding, arrives, log } = seedingLab()
    const wants = ['a', 'b', 'c'].map(async (peer) => await seeding.take(peer, {}))
    await clock.advance(10)
    for (const chunk of [2, 0, 1]) arrives(chunk)
    await clock.advance(1)
    assert.deepEqual(
      (await Promise.all(wants)).toSorted((a, b) => Number(a) - Number(b)),
      [0, 1, 2],
    )
    assert.equal(log.completions, 1)
    await seeding.close()
  })

  it('gives the bytes of a chunk back that it only wanted to be held', async () => {
    const { seeding, log } = seedingLab()
    assert.equal(await seeding.fetch(10, 20, {}), true)
    assert.equal(log.released, 1)
    await seeding.close()
  })

  it('parks a want for at most two seconds and then says busy', async () => {
    const { clock, seeding } = seedingLab()
    let answer: unknown
    const taking = seeding.take('a', {}).then((taken) => {
      answer = taken
    })
    await clock.advance(1_999)
    assert.equal(answer, undefined)
    await clock.advance(1)
    await taking
    assert.deepEqual(answer, { busyMs: 50, alternates: [] })
    await seeding.close()
  })

  it('hands a chunk again when its receiver vanished with it', async () => {
    const { clock, seeding, arrives } = seedingLab()
    arrives(0)
    assert.equal(await seeding.take('a', {}), 0)
    const early = seeding.take('b', {})
    await clock.advance(2_000)
    assert.deepEqual(await early, { busyMs: 50, alternates: [] })
    await clock.advance(3_001)
    assert.equal(await seeding.take('b', {}), 0)
    await seeding.close()
  })

  it('hands a chunk again at once when its only receiver has left', async () => {
    const { seeding, arrives, has, leaves } = seedingLab()
    arrives(0)
    arrives(1)
    assert.equal(await seeding.take('a', {}), 0)
    assert.equal(await seeding.take('a', {}), 1)
    has('a', 0)
    leaves('a')
    assert.deepEqual([await seeding.take('b', {}), await seeding.take('b', {})], [0, 1])
    await seeding.close()
  })

  it('gives nobody what it has already', async () => {
    const { clock, seeding, arrives, has, blob } = seedingLab()
    arrives(0)
    arrives(1)
    has('a', 0)
    blob.isComplete = true
    assert.equal(await seeding.take('a', {}), 1)
    const taken = seeding.take('a', {})
    await clock.advance(1)
    assert.deepEqual(await taken, { busyMs: 500, alternates: [] })
    await seeding.close()
  })

  it('repeats the rarest chunk only once it has the whole blob', async () => {
    const { clock, seeding, arrives, has, blob } = seedingLab()
    for (const chunk of [0, 1, 2, 3]) {
      arrives(chunk)
      await seeding.take('a', {})
      has('a', chunk)
    }
    has('b', 0)
    const early = seeding.take('c', {})
    await clock.advance(2_000)
    assert.deepEqual(await early, { busyMs: 50, alternates: [] })
    blob.isComplete = true
    assert.equal(await seeding.take('c', {}), 1)
    await seeding.close()
  })

  it('says that it lacks the blob when the origin failed, and starts over with the next want', async () => {
    const { clock, seeding, whole, log } = seedingLab()
    const taking = seeding.take('a', {})
    await clock.advance(1)
    whole.reject(new ShoalError('no rights', { code: 'DENIED', blame: 'origin', retryable: false }))
    await clock.advance(1)
    assert.equal(await taking, 'lacks')
    await seeding.take('a', {})
    assert.equal(log.completions, 2)
    await seeding.close()
  })

  it('passes a chunk that the longest waiting peer has already to the next, and wakes nobody for nothing', async () => {
    const { clock, seeding, arrives, has } = seedingLab()
    has('a', 1)
    const [first, second] = [seeding.take('a', {}), seeding.take('b', {})]
    await clock.advance(1)
    arrives(1)
    assert.equal(await second, 1)
    arrives(2)
    assert.equal(await first, 2)
    await seeding.close()
  })

  it('forgets a want whose peer has left, and closes with everything', async () => {
    const { clock, seeding, log } = seedingLab()
    const controller = new AbortController()
    const taking = seeding.take('a', { signal: controller.signal })
    await clock.advance(1)
    controller.abort(new DOMException('left', 'AbortError'))
    await assert.rejects(taking, { name: 'AbortError' })
    await seeding.close()
    assert.ok(log.isClosed)
    assert.equal(clock.pendingCount, 0)
  })
})
