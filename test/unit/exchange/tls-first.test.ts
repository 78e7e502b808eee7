import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ByteChannel, type ExchangeLimits, PeerClosedError } from '../../../src/exchange/index.ts'
import { DEFAULT_LIMITS } from '../../../src/exchange/limits.ts'
import { exchangeMetrics } from '../../../src/exchange/metrics.ts'
import type { BulkAddress } from '../../../src/exchange/tls-carrier.ts'
import { TlsFirst } from '../../../src/exchange/tls-first.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { memoryChannelPair } from '../../support/memory-carrier.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** A number is a handshake of that many milliseconds. */
type Answer = 'opens' | 'refuses' | 'is silent' | number

const { tlsPatienceMs, tlsUpPatienceMs, tlsOpenTimeoutMs, firstTlsRestMs } = DEFAULT_LIMITS

/** A peer whose hosts answer as told, and what was tried. */
function lab(answers: Record<string, Answer>, limits: Partial<ExchangeLimits> = {}) {
  const clock = new VirtualClock()
  const metrics = new Metrics()
  const tried: string[] = []
  const [slow, fast] = [memoryChannelPair(['us', 'peer'])[0], memoryChannelPair(['us', 'peer'])[0]]
  const open = async (_peer: string, { host }: BulkAddress): Promise<ByteChannel> => {
    tried.push(host)
    const answer = answers[host]
    if (answer === 'refuses') throw new PeerClosedError('refused')
    if (typeof answer === 'number') await new Promise<void>((resolve) => clock.after(answer, resolve))
    return answer === 'is silent' ? await new Promise<never>(() => undefined) : fast
  }
  const first = new TlsFirst({
    tls: { open },
    libp2p: { open: async () => slow },
    streams: { hostsOf: async () => Object.keys(answers) },
    limits: { ...DEFAULT_LIMITS, ...limits },
    clock,
    metrics: exchangeMetrics(metrics),
    logger: silentLogger(),
  })
  const openOne = async (signal?: AbortSignal, isFastUp = false) =>
    await first.open('peer', 5002, { signal, isFastUp: () => isFastUp })
  return { first, openOne, clock, metrics, tried, slow, fast }
}

test('a peer that told no bulk port gets a libp2p stream, and its hosts are not tried', async () => {
  const { first, slow, tried } = lab({ a: 'opens' })
  const opened = await first.open('peer', undefined, { isFastUp: () => false })
  assert.deepEqual(opened, { channel: slow, isFast: false, faster: undefined })
  assert.deepEqual(tried, [])
})

test('a bulk port that answers carries the lane', async () => {
  const { openOne, fast, metrics } = lab({ a: 'opens' })
  assert.deepEqual(await openOne(), { channel: fast, isFast: true, faster: undefined })
  assert.match(await metrics.render(), /lanes_total\{carrier="tls",direction="sent"\} 1/)
})

test('a port that refuses is replaced at once, and not tried again until it has rested', async () => {
  const { openOne, slow, tried, clock, metrics } = lab({ a: 'refuses' })
  assert.equal((await openOne()).channel, slow)
  assert.equal((await openOne()).channel, slow)
  assert.deepEqual(tried, ['a'])
  await clock.advance(firstTlsRestMs)
  await openOne()
  assert.deepEqual(tried, ['a', 'a'])
  assert.match(await metrics.render(), /tls_fallbacks_total 2/)
})

test('a second host is tried when the first one refuses, and no third', async () => {
  const { openOne, fast, tried } = lab({ a: 'refuses', b: 'opens' })
  assert.equal((await openOne()).channel, fast)
  assert.deepEqual(tried, ['a', 'b'])
  const deaf = lab({ a: 'refuses', b: 'refuses', c: 'opens' })
  assert.equal((await deaf.openOne()).channel, deaf.slow)
})

test('silent hosts cost a lane its patience, and share one deadline behind its back', async () => {
  const { openOne, slow, clock, tried, metrics } = lab({ a: 'is silent', b: 'is silent' })
  const opening = watch(openOne())
  await clock.advance(tlsPatienceMs)
  await turns()
  assert.deepEqual([opening.value?.channel, tried], [slow, ['a']])
  const later = watch(opening.value?.faster ?? Promise.reject(new Error('nothing is still to come')))
  await clock.advance(tlsOpenTimeoutMs / 2 - tlsPatienceMs)
  assert.deepEqual([later.isSettled, tried], [false, ['a', 'b']])
  await clock.advance(tlsOpenTimeoutMs / 2)
  await turns()
  assert.deepEqual([later.isSettled, later.value, clock.pendingCount], [true, undefined, 0])
  assert.match(await metrics.render(), /tls_fallbacks_total 1/)
})

test('a slow handshake is handed out when it is done, and both lanes are counted', async () => {
  const { openOne, slow, fast, clock, metrics } = lab({ a: 1_000 })
  const opening = watch(openOne())
  await clock.advance(tlsPatienceMs)
  await turns()
  assert.equal(opening.value?.channel, slow)
  await clock.advance(1_000)
  assert.equal(await opening.value?.faster, fast)
  const text = await metrics.render()
  for (const carrier of ['tls', 'libp2p']) assert.match(text, new RegExp(`lanes_total\\{carrier="${carrier}",.*\\} 1`))
  assert.match(text, /tls_late_total 1/)
  assert.match(text, /tls_fallbacks_total 0/)
})

test('where something goes over TLS already a slow handshake is waited for, by all lanes that open together', async () => {
  const { openOne, fast, clock, tried, metrics } = lab({ a: tlsUpPatienceMs - 1 })
  const lanes = [1, 2, 3].map(() => watch(openOne(undefined, true)))
  await clock.advance(tlsUpPatienceMs - 1)
  await turns()
  assert.deepEqual(
    lanes.map(({ value }) => value?.channel),
    [fast, fast, fast],
  )
  assert.equal(tried.length, 3, 'none waits for the handshake of another')
  assert.doesNotMatch(await metrics.render(), /carrier="libp2p"/)
})

test('but no longer than its time: then a libp2p stream takes its place', async () => {
  const { openOne, slow, clock } = lab({ a: 'is silent' })
  const opening = watch(openOne(undefined, true))
  await clock.advance(tlsUpPatienceMs - 1)
  await turns()
  assert.equal(opening.isSettled, false)
  await clock.advance(1)
  await turns()
  assert.equal(opening.value?.channel, slow)
})

test('lanes that open together make one attempt at a port that refuses or is silent', async () => {
  for (const answer of ['refuses', 'is silent'] as const) {
    const { openOne, slow, clock, tried, metrics } = lab({ a: answer })
    const lanes = [1, 2, 3, 4].map(() => watch(openOne()))
    await clock.advance(tlsPatienceMs)
    await turns()
    assert.ok(lanes.every(({ value }) => value?.channel === slow))
    await clock.advance(tlsOpenTimeoutMs)
    assert.deepEqual(
      await Promise.all(lanes.map(async ({ value }) => await value?.faster)),
      lanes.map(() => undefined),
    )
    assert.deepEqual(tried, ['a'])
    assert.match(await metrics.render(), /tls_fallbacks_total 1/)
  }
})

test('lanes that open together all go over TLS once the first has', async () => {
  const { openOne, fast, clock, tried } = lab({ a: 100 })
  const lanes = [1, 2, 3, 4].map(() => watch(openOne()))
  await clock.advance(200)
  await turns()
  assert.ok(lanes.every(({ value }) => value?.channel === fast))
  assert.equal(tried.length, 4)
})

test('a lane that opens while another has waited in vain waits no more', async () => {
  const { openOne, slow, fast, clock } = lab({ a: 1_000 })
  watch(openOne())
  await clock.advance(tlsPatienceMs)
  const second = watch(openOne())
  await clock.advance(0)
  await turns()
  assert.equal(second.value?.channel, slow)
  await clock.advance(2_000)
  assert.equal(await second.value?.faster, fast)
})

test('a port that timed out rests, unless lanes over TLS are up', async () => {
  for (const isFastUp of [true, false]) {
    const { openOne, clock, tried } = lab({ a: 'is silent' })
    watch(openOne(undefined, isFastUp))
    await clock.advance(tlsOpenTimeoutMs)
    await turns()
    watch(openOne(undefined, isFastUp))
    await turns()
    assert.equal(tried.length, isFastUp ? 2 : 1)
  }
})

test('attempts under way are bounded for a peer and in all; who finds no place gets a stream at once', async () => {
  for (const limits of [{ maxTlsAttempts: 2 }, { maxTlsAttemptsPerPeer: 2 }]) {
    const { openOne, slow } = lab({ a: 'is silent' }, limits)
    const lanes = [1, 2, 3].map(() => watch(openOne()))
    await turns()
    assert.deepEqual(
      lanes.map(({ value }) => value?.channel),
      [undefined, undefined, slow],
    )
  }
})

test('an abort is no failure of the port, and those who waited for the attempt make their own', async () => {
  const { openOne, fast, metrics, clock, tried } = lab({ a: 100 })
  const controller = new AbortController()
  const aborted = watch(openOne(controller.signal))
  const other = watch(openOne())
  await turns()
  controller.abort()
  await turns()
  assert.equal((aborted.error as Error).name, 'AbortError')
  await clock.advance(100)
  await turns()
  assert.equal(other.value?.channel, fast)
  assert.match(await metrics.render(), /tls_fallbacks_total 0/)
  assert.deepEqual([tried.length, clock.pendingCount], [2, 0])
})
