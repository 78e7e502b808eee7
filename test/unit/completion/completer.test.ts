import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gridLayout } from '../../../src/chunking/index.ts'
import { Completer } from '../../../src/completion/index.ts'
import { type AbortOptions, type BlobRef, type Digest, digestOf, ShoalError } from '../../../src/core/index.ts'
import type { ClientActivity } from '../../../src/scheduler/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const MiB = 1024 * 1024
const SECOND = 1_000

/** Layers whose bytes come at 8 MiB a second, in chunks of one, while somebody completes them. */
function lab(mode: 'idle' | 'now' = 'idle') {
  const clock = new VirtualClock()
  const heldBytes = new Map<Digest, number>()
  const world = {
    activity: { lazyWaiting: 0, lastLazyWaitMs: undefined, pulls: 0 } as ClientActivity,
    hasRoom: true,
    isKept: true,
    isDown: false,
    opened: [] as Digest[],
    openNow: 0,
  }
  const complete = async (ref: BlobRef, { signal }: AbortOptions): Promise<void> => {
    if (world.isDown) throw new ShoalError('down', { code: 'DOWN', blame: 'origin', retryable: true })
    while ((heldBytes.get(ref.digest) ?? 0) < ref.sizeBytes) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      clock.after(SECOND / 8, resolve)
      signal?.throwIfAborted()
      await promise
      heldBytes.set(ref.digest, (heldBytes.get(ref.digest) ?? 0) + MiB)
      completer.listener.chunkHeld?.(ref, 0, new Uint8Array(), 'peers', MiB)
    }
    completer.listener.completed?.(ref)
  }
  const completer: Completer = new Completer(
    { mode, quietMs: 10 * SECOND },
    {
      open: async (ref) => {
        world.opened.push(ref.digest)
        world.openNow++
        let isOpen = true
        return {
          get isComplete() {
            return heldBytes.get(ref.digest) === ref.sizeBytes
          },
          get isKept() {
            return world.isKept
          },
          complete: async (_kind, _onProgress, options) => await complete(ref, options),
          close: () => {
            if (isOpen) world.openNow--
            isOpen = false
          },
        }
      },
      activity: () => world.activity,
      hasRoomFor: async () => world.hasRoom,
      clock,
      logger: silentLogger(),
      metrics: new Metrics(),
    },
  )
  completer.start()
  const read = (name: string, sizeMiB = 32, repository = 'app') => {
    const ref = { digest: digestOf(Buffer.from(name)), sizeBytes: sizeMiB * MiB }
    const access = { origins: [{ namespace: 'registry.test', repository }] }
    const layout = gridLayout(ref.sizeBytes)
    completer.listener.readLazily?.({
      ref,
      access,
      range: { start: 0, end: 1 },
      kind: 'range',
      layout,
      isComplete: false,
    })
    return { ref, heldMiB: () => (heldBytes.get(ref.digest) ?? 0) / MiB }
  }
  return { clock, completer, world, read }
}

describe('the completer', () => {
  it('completes a layer that was read in part, resting as long as it works', async () => {
    const { clock, completer, world, read } = lab()
    const layer = read('a')
    await clock.advance(4 * SECOND)
    assert.ok(layer.heldMiB() >= 16 && layer.heldMiB() <= 24, `${layer.heldMiB()} MiB in four seconds`)
    assert.partialDeepStrictEqual(completer.status, { state: 'completing', done: 0 })
    await clock.advance(4 * SECOND)
    assert.equal(layer.heldMiB(), 32)
    assert.deepEqual(completer.status, {
      mode: 'idle',
      state: 'idle',
      layers: [],
      done: 1,
      givenUp: 0,
      bytes: 32 * MiB,
    })
    assert.deepEqual([world.opened.length, world.openNow], [1, 0])
    await completer.stop()
  })

  it('does not rest when it is to complete at once', async () => {
    const { clock, completer, read } = lab('now')
    const layer = read('a')
    await clock.advance(4.1 * SECOND)
    assert.equal(layer.heldMiB(), 32)
    await completer.stop()
  })

  it('waits until readers have been silent, and says so', async () => {
    const { clock, completer, world, read } = lab()
    world.activity = { lazyWaiting: 0, lastLazyWaitMs: 0, pulls: 0 }
    const layer = read('a')
    await clock.advance(9 * SECOND)
    assert.equal(layer.heldMiB(), 0)
    assert.partialDeepStrictEqual(completer.status, { state: 'waiting', because: 'quiet' })
    await clock.advance(20 * SECOND)
    assert.equal(layer.heldMiB(), 32)
    await completer.stop()
  })

  it('stops at once when a client has to wait, holds nothing open meanwhile, and goes on afterwards', async () => {
    const { clock, completer, world, read } = lab()
    const layer = read('a')
    await clock.advance(0.5 * SECOND)
    world.activity = { lazyWaiting: 1, lastLazyWaitMs: 500, pulls: 0 }
    completer.listener.clientWaits?.()
    const heldMiB = layer.heldMiB()
    await clock.advance(30 * SECOND)
    assert.equal(layer.heldMiB(), heldMiB)
    assert.equal(world.openNow, 0)
    assert.partialDeepStrictEqual(completer.status, { state: 'waiting', because: 'readers' })
    world.activity = { lazyWaiting: 0, lastLazyWaitMs: clock.now(), pulls: 0 }
    await clock.advance(20 * SECOND)
    assert.equal(layer.heldMiB(), 32)
    await completer.stop()
  })

  it('takes no further step while a pull goes on', async () => {
    const { clock, completer, world, read } = lab()
    const layer = read('a')
    await clock.advance(0.5 * SECOND)
    world.activity = { lazyWaiting: 0, lastLazyWaitMs: undefined, pulls: 1 }
    await clock.advance(30 * SECOND)
    assert.equal(layer.heldMiB(), 8)
    assert.partialDeepStrictEqual(completer.status, { state: 'waiting', because: 'pulls' })
    await completer.stop()
  })

  it('turns to the image that was read last', async () => {
    const { clock, completer, read } = lab()
    const first = read('a', 64, 'one')
    await clock.advance(1.5 * SECOND)
    const second = read('b', 8, 'two')
    await clock.advance(3 * SECOND)
    assert.equal(second.heldMiB(), 8)
    assert.ok(first.heldMiB() < 64)
    await clock.advance(20 * SECOND)
    assert.equal(first.heldMiB(), 64)
    assert.equal(completer.status.done, 2)
    await completer.stop()
  })

  it('does not begin where something would have to be evicted, and begins when there is room', async () => {
    const { clock, completer, world, read } = lab()
    world.hasRoom = false
    const layer = read('a')
    await clock.advance(10 * SECOND)
    assert.deepEqual([layer.heldMiB(), world.opened.length], [0, 0])
    assert.partialDeepStrictEqual(completer.status, { state: 'waiting', because: 'room' })
    world.hasRoom = true
    await clock.advance(60 * SECOND)
    assert.equal(layer.heldMiB(), 32)
    await completer.stop()
  })

  it('stops when the store comes under pressure, and gives up its room before those who need it go on', async () => {
    const { clock, completer, world, read } = lab()
    const layer = read('a')
    await clock.advance(0.5 * SECOND)
    await completer.listener.roomNeeded?.()
    assert.equal(world.openNow, 0)
    await clock.advance(20 * SECOND)
    assert.equal(layer.heldMiB(), 4)
    assert.partialDeepStrictEqual(completer.status, {
      state: 'waiting',
      because: 'room',
      layers: [{ digest: layer.ref.digest, state: 'room' }],
    })
    await completer.stop()
  })

  it('fetches nothing that the store does not keep', async () => {
    const { clock, completer, world, read } = lab()
    world.isKept = false
    const layer = read('a')
    await clock.advance(10 * SECOND)
    assert.deepEqual([layer.heldMiB(), completer.status.because], [0, 'room'])
    await completer.stop()
  })

  it('tries a layer that fails again, less and less often, and gives it up in the end', async () => {
    const { clock, completer, world, read } = lab()
    world.isDown = true
    read('a')
    await clock.advance(30 * SECOND)
    assert.equal(world.opened.length, 1)
    assert.partialDeepStrictEqual(completer.status, { state: 'waiting', because: 'failed', givenUp: 0 })
    for (let minute = 0; minute < 30; minute++) await clock.advance(60 * SECOND)
    assert.equal(world.opened.length, 5)
    assert.partialDeepStrictEqual(completer.status, { state: 'idle', layers: [], givenUp: 1, done: 0 })
    await completer.stop()
  })

  it('goes on with a layer whose source comes back', async () => {
    const { clock, completer, world, read } = lab()
    world.isDown = true
    const layer = read('a')
    await clock.advance(30 * SECOND)
    world.isDown = false
    await clock.advance(60 * SECOND)
    assert.equal(layer.heldMiB(), 32)
    await completer.stop()
  })

  it('has nothing to do with a layer that others have completed', async () => {
    const { clock, completer, world, read } = lab()
    world.activity = { lazyWaiting: 0, lastLazyWaitMs: 0, pulls: 0 }
    const layer = read('a')
    completer.listener.completed?.(layer.ref)
    await clock.advance(60 * SECOND)
    assert.deepEqual(world.opened, [])
    assert.partialDeepStrictEqual(completer.status, { state: 'idle', done: 0 })
    await completer.stop()
  })

  it('ends with the process, in the middle of a step', async () => {
    const { clock, completer, world, read } = lab()
    const layer = read('a')
    await clock.advance(0.5 * SECOND)
    await completer.stop()
    const heldMiB = layer.heldMiB()
    await clock.advance(60 * SECOND)
    assert.deepEqual([layer.heldMiB(), world.openNow], [heldMiB, 0])
  })
})
