import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ByteChannel } from '../../../src/exchange/index.ts'
import { PeerClosedError } from '../../../src/exchange/index.ts'
import { Lane } from '../../../src/exchange/lane.ts'

/** A channel that lets go of bytes only when told to. */
class SlowChannel implements ByteChannel {
  readonly peerId = 'peer'
  readonly sent: (() => void)[] = []
  failsAfter = Number.POSITIVE_INFINITY
  #writes = 0

  open(): void {}

  write(_bytes: Uint8Array, onSent?: () => void): boolean {
    if (this.#writes++ >= this.failsAfter) throw new PeerClosedError('ended')
    if (onSent !== undefined) this.sent.push(onSent)
    return true
  }

  async drained(): Promise<void> {}

  close(): void {}

  abort(): void {}
}

const HEADER = Uint8Array.of(1)

function laneOver(channel: SlowChannel) {
  const state = { sentCount: 0 }
  const lane = new Lane(channel)
  lane.listen({ onHeader: () => undefined, onFrame() {}, onClosed() {} })
  return { lane, state, options: { onSent: () => void state.sentCount++ } }
}

test('a payload counts as sent once the channel has let go of its last piece', async () => {
  const channel = new SlowChannel()
  const { lane, state, options } = laneOver(channel)
  await lane.send(HEADER, new Uint8Array(600 * 1024), options)
  assert.equal(channel.sent.length, 3)
  for (const onSent of channel.sent.slice(0, 2)) onSent()
  assert.equal(state.sentCount, 0)
  channel.sent[2]?.()
  assert.equal(state.sentCount, 1)
})

test('a payload that did not all get into the channel never counts as sent', async () => {
  const channel = new SlowChannel()
  channel.failsAfter = 2
  const { lane, state, options } = laneOver(channel)
  await assert.rejects(lane.send(HEADER, new Uint8Array(600 * 1024), options), PeerClosedError)
  for (const onSent of channel.sent) onSent()
  assert.deepEqual([channel.sent.length, state.sentCount], [1, 0])
})
