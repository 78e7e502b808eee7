import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ByteChannel, PeerClosedError, type PeerStreams } from '../../../src/exchange/index.ts'
import { DEFAULT_LIMITS } from '../../../src/exchange/limits.ts'
import { exchangeMetrics } from '../../../src/exchange/metrics.ts'
import type { BulkAddress } from '../../../src/exchange/tls-carrier.ts'
import { TlsFirst } from '../../../src/exchange/tls-first.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { memoryChannelPair } from '../../support/memory-carrier.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

type Answer = 'opens' | 'refuses' | 'is silent'

/** A peer whose hosts answer as told, and what was tried. */
function lab(answers: Record<string, Answer>) {
  const clock = new VirtualClock()
  const metrics = new Metrics()
  const tried: string[] = []
  const [slow, fast] = [memoryChannelPair(['us', 'peer'])[0], memoryChannelPair(['us', 'peer'])[0]]
  const open = async (_peer: string, { host }: BulkAddress): Promise<ByteChannel> => {
    tried.push(host)
    if (answers[host] === 'refuses') throw new PeerClosedError('refused')
    return answers[host] === 'opens' ? fast : await new Promise<never>(() => undefined)
  }
  const streams: Pick<PeerStreams, 'hostsOf'> = { hostsOf: async () => Object.keys(answers) }
  const first = new TlsFirst({
    tls: { open },
    libp2p: { open: async () => slow },
    streams: streams as PeerStreams,
    limits: DEFAULT_LIMITS,
    clock,
    metrics: exchangeMetrics(metrics),
    logger: silentLogger(),
  })
  return { first, clock, metrics, tried, slow, fast }
}

test('a peer that told no bulk port gets a libp2p stream, and its hosts are not tried', async () => {
  const { first, slow, tried } = lab({ a: 'opens' })
  assert.equal(await first.open('peer', undefined, {}), slow)
  assert.deepEqual(tried, [])
})

test('a bulk port that answers carries the lane', async () => {
  const { first, fast, metrics } = lab({ a: 'opens' })
  assert.equal(await first.open('peer', 5002, {}), fast)
  assert.match(await metrics.render(), /lanes_total\{carrier="tls",direction="sent"\} 1/)
})

test('a port that refuses is replaced at once, and not tried again until it has rested', async () => {
  const { first, slow, tried, clock, metrics } = lab({ a: 'refuses' })
  assert.equal(await first.open('peer', 5002, {}), slow)
  assert.equal(await first.open('peer', 5002, {}), slow)
  assert.deepEqual(tried, ['a'])
  await clock.advance(DEFAULT_LIMITS.firstTlsRestMs)
  await first.open('peer', 5002, {})
  assert.deepEqual(tried, ['a', 'a'])
  assert.match(await metrics.render(), /tls_fallbacks_total 2/)
})

test('a second host is tried when the first one refuses, and no third', async () => {
  const { first, fast, slow, tried } = lab({ a: 'refuses', b: 'opens' })
  assert.equal(await first.open('peer', 5002, {}), fast)
  assert.deepEqual(tried, ['a', 'b'])
  assert.equal(fast.peerId, slow.peerId)
  const deaf = lab({ a: 'refuses', b: 'refuses', c: 'opens' })
  assert.equal(await deaf.first.open('peer', 5002, {}), deaf.slow)
})

test('silent hosts share one deadline', async () => {
  const { first, slow, clock, tried } = lab({ a: 'is silent', b: 'is silent' })
  const opening = watch(first.open('peer', 5002, {}))
  await turns()
  await clock.advance(DEFAULT_LIMITS.tlsOpenTimeoutMs / 2)
  await turns()
  assert.deepEqual([opening.isSettled, tried], [false, ['a', 'b']])
  await clock.advance(DEFAULT_LIMITS.tlsOpenTimeoutMs / 2)
  await turns()
  assert.equal(opening.value, slow)
})

test('an abort is no failure of the port', async () => {
  const { first, metrics, clock } = lab({ a: 'is silent' })
  const controller = new AbortController()
  const opening = watch(first.open('peer', 5002, { signal: controller.signal }))
  await turns()
  controller.abort()
  await turns()
  assert.equal((opening.error as Error).name, 'AbortError')
  assert.match(await metrics.render(), /tls_fallbacks_total 0/)
  await clock.advance(DEFAULT_LIMITS.tlsOpenTimeoutMs)
})
