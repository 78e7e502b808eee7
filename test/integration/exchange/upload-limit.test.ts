import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { systemClock } from '../../../src/core/index.ts'
import { type Following, PeerBusyError, type Urgency } from '../../../src/exchange/index.ts'
import { BandwidthLimiter, UNLIMITED } from '../../../src/util/index.ts'
import { peerRefOf, startExchangeSwarm } from '../../support/exchange-swarm.ts'

const MIB = 1024 * 1024

const quiet = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

/** How far a measured rate may be off on a busy machine. */
const TOLERANCE = 0.25

/** Asks for a chunk until it comes, and as a scheduler does, not before it was told to. */
async function fetchChunk(following: Following, chunk: number, urgency: Urgency, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const received = await following.request(chunk, { urgency, signal })
      received.payload.release()
      return
    } catch (error) {
      if (!(error instanceof PeerBusyError)) throw error
      await sleep(error.waitMs, undefined, { signal })
    }
  }
}

/** Bytes a second that come over `seconds`, from the first chunk on. */
async function rateOver(following: Following, seconds: number): Promise<number> {
  const stop = new AbortController()
  let firstMs = Number.POSITIVE_INFINITY
  let lastMs = 0
  let chunks = 0
  const puller = async (first: number) => {
    for (let chunk = first; !stop.signal.aborted; chunk = (chunk + 4) % 16) {
      await fetchChunk(following, chunk, 'later', stop.signal).catch(() => undefined)
      if (stop.signal.aborted) return
      chunks++
      lastMs = performance.now()
      firstMs = Math.min(firstMs, lastMs)
    }
  }
  const pulling = [0, 1, 2, 3].map(puller)
  await sleep(seconds * 1000)
  stop.abort()
  await Promise.all(pulling)
  return ((chunks - 1) * MIB) / ((lastMs - firstMs) / 1000)
}

test('uploads keep to their limit, readers go first, and a change counts at once', { timeout: 20_000 }, async () => {
  const bandwidth = new BandwidthLimiter({ ...UNLIMITED, total: 8 * MIB }, { clock: systemClock })
  await using swarm = await startExchangeSwarm(2, 16 * MIB, { uploadBandwidth: bandwidth })
  const [server, client] = swarm.nodes
  assert.ok(server && client)
  const following = (await client.exchange.connect(peerRefOf(server), {})).follow(swarm.blob.ref, [], quiet)

  // What may go at once after a pause is gone before the measurement.
  for (const chunk of [0, 1, 2]) await fetchChunk(following, chunk, 'later', AbortSignal.timeout(5_000))
  const limited = await rateOver(following, 1.2)
  assert.ok(Math.abs(limited / (8 * MIB) - 1) < TOLERANCE, `${limited / MIB} MiB/s under a limit of 8 MiB/s`)

  bandwidth.setRates({ ...UNLIMITED, total: 32 * MIB })
  const raised = await rateOver(following, 0.7)
  assert.ok(raised > 2 * limited, `${raised / MIB} MiB/s after the limit was raised`)

  bandwidth.setRates({ ...UNLIMITED, total: 4 * MIB })
  const pulling = rateOver(following, 1.2)
  await sleep(100)
  for (const chunk of [5, 9]) {
    const startMs = performance.now()
    await fetchChunk(following, chunk, 'now', AbortSignal.timeout(5_000))
    // Four pulls wait, each a quarter of a second long; a reader waits for the one whose turn it is.
    assert.ok(performance.now() - startMs < 700, 'a reader waited for more than the chunk before it')
  }
  await pulling
})
