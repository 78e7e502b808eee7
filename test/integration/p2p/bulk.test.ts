import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import type { P2pNode } from '../../../src/p2p/index.ts'
import { startP2pSwarm } from '../../support/p2p-swarm.ts'
import { testScope } from '../../support/scope.ts'

const PROTOCOL = '/shoal/bulk-test/1.0.0'
const CHUNK_BYTES = 1024 * 1024
const CHUNK_COUNT = 64

/** One chunk beyond what is on its way: the stream takes a whole chunk, then asks for a drain. */
const MAX_QUEUED_BYTES = 2 * CHUNK_BYTES

describe('a stream', () => {
  it('carries 64 MiB unharmed, and a sender that waits for drain queues no more than a chunk or two', async (test) => {
    const swarm = await startP2pSwarm(2)
    testScope(test).use(swarm)
    const [sender, receiver] = swarm.nodes as [P2pNode, P2pNode]
    const chunk = randomBytes(CHUNK_BYTES)
    const expected = createHash('sha256')
    for (let sent = 0; sent < CHUNK_COUNT; sent++) expected.update(chunk)
    let mostQueuedBytes = 0
    await sender.handle(
      PROTOCOL,
      async (stream) => {
        for (let sent = 0; sent < CHUNK_COUNT; sent++) {
          stream.send(chunk)
          mostQueuedBytes = Math.max(mostQueuedBytes, stream.writeBufferLength)
          while (stream.writableNeedsDrain) await once(stream, 'drain')
        }
        await stream.close()
      },
      { maxInboundStreams: 1, maxOutboundStreams: 1 },
    )
    const stream = await receiver.openStream(sender.peerId, PROTOCOL)
    const actual = createHash('sha256')
    let receivedBytes = 0
    for await (const piece of stream) {
      receivedBytes += piece.byteLength
      for (const part of piece instanceof Uint8Array ? [piece] : piece) actual.update(part)
    }
    assert.equal(receivedBytes, CHUNK_COUNT * CHUNK_BYTES)
    assert.equal(actual.digest('hex'), expected.digest('hex'))
    assert.ok(mostQueuedBytes <= MAX_QUEUED_BYTES, `${mostQueuedBytes} bytes were queued`)
  })

  it('whose reader is paused holds a window in memory and goes on when it is resumed', async (test) => {
    const swarm = await startP2pSwarm(2)
    testScope(test).use(swarm)
    const [sender, receiver] = swarm.nodes as [P2pNode, P2pNode]
    const chunk = randomBytes(CHUNK_BYTES)
    let sentCount = 0
    await sender.handle(
      PROTOCOL,
      async (stream) => {
        for (; sentCount < 16; sentCount++) {
          stream.send(chunk)
          while (stream.writableNeedsDrain) await once(stream, 'drain')
        }
        await stream.close()
      },
      { maxInboundStreams: 1, maxOutboundStreams: 1 },
    )
    const stream = await receiver.openStream(sender.peerId, PROTOCOL)
    let receivedBytes = 0
    stream.addEventListener('message', (event) => {
      receivedBytes += event.data.byteLength
    })
    stream.pause()
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.ok(sentCount < 8, `${sentCount} chunks went to a reader that takes none`)
    assert.equal(receivedBytes, 0)
    const ended = once(stream, 'end')
    stream.resume()
    await ended
    assert.equal(receivedBytes, 16 * CHUNK_BYTES)
  })
})
