import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamChannel } from '../../../src/exchange/libp2p-carrier.ts'
import { channelConformance } from '../../conformance/exchange-carrier.ts'
import { startP2pSwarm } from '../../support/p2p-swarm.ts'

const PROTOCOL = '/shoal/test-carrier/1.0.0'

async function openPair() {
  const swarm = await startP2pSwarm(2)
  const [first, second] = swarm.nodes
  assert.ok(first !== undefined && second !== undefined)
  const accepted = Promise.withResolvers<StreamChannel>()
  await first.handle(PROTOCOL, (stream, peerId) => accepted.resolve(new StreamChannel(stream, peerId)), {
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
  })
  const near = new StreamChannel(await second.openStream(first.peerId, PROTOCOL), first.peerId)
  return { near, far: await accepted.promise, [Symbol.asyncDispose]: () => swarm[Symbol.asyncDispose]() }
}

channelConformance('libp2p', openPair)

test('libp2p: a writer whose reader has stopped waits, and stops waiting with its signal', {
  timeout: 10_000,
}, async () => {
  const swarm = await startP2pSwarm(2)
  await using _stop = swarm
  const [first, second] = swarm.nodes
  assert.ok(first !== undefined && second !== undefined)
  await first.handle(PROTOCOL, (stream) => stream.pause(), { maxInboundStreams: 4, maxOutboundStreams: 4 })
  const near = new StreamChannel(await second.openStream(first.peerId, PROTOCOL), first.peerId)
  near.open({ onBytes() {}, onEnd() {} })
  let wroteBytes = 0
  while (near.write(new Uint8Array(256 * 1024)) && wroteBytes < 64 * 2 ** 20) wroteBytes += 256 * 1024
  assert.ok(wroteBytes <= 4 * 2 ** 20)
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 300)
  await assert.rejects(
    (async () => {
      for (;;) {
        await near.drained({ signal: controller.signal })
        near.write(new Uint8Array(256 * 1024))
      }
    })(),
    { name: 'AbortError' },
  )
  near.abort(new Error('the test is over'))
})
