import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { digestOf } from '../../src/core/index.ts'
import { type ByteChannel, PeerClosedError } from '../../src/exchange/index.ts'

/** Two ends of one channel and what takes them down. */
export interface ChannelPair extends AsyncDisposable {
  readonly near: ByteChannel
  readonly far: ByteChannel
}

/** What came in at one end. */
class Inbox {
  readonly pieces: Buffer[] = []
  receivedBytes = 0
  endCount = 0
  error: Error | undefined
  #wake: () => void = () => undefined

  constructor(channel: ByteChannel) {
    channel.open({
      onBytes: (piece) => {
        this.pieces.push(Buffer.from(piece))
        this.receivedBytes += piece.byteLength
        this.#wake()
      },
      onEnd: (error) => {
        this.error = error
        this.endCount += 1
        this.#wake()
      },
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }

  /** Resolves once `isTrue` is, asked after each event; the test's own timeout is the deadline. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

/** Reads an end whose bytes do not matter. */
function ignore(channel: ByteChannel): void {
  channel.open({ onBytes() {}, onEnd() {} })
}

/** What every carrier's channels do; `open` gives a fresh connected pair. */
export function channelConformance(name: string, open: () => Promise<ChannelPair>): void {
  const check = (what: string, body: (pair: ChannelPair) => Promise<void>): void =>
    void test(`${name}: ${what}`, { timeout: 10_000 }, async () => {
      await using pair = await open()
      await body(pair)
    })

  check('bytes come in order, whatever the pieces', async ({ near, far }) => {
    const inbox = new Inbox(far)
    ignore(near)
    const sent = [1, 0, 65_536, 3, 300_000, 17].map((size) => randomBytes(size))
    for (const piece of sent) if (!near.write(piece)) await near.drained({})
    await inbox.until(() => inbox.receivedBytes === 365_557)
    assert.equal(digestOf(inbox.bytes), digestOf(Buffer.concat(sent)))
  })

  check('both directions work at once', async ({ near, far }) => {
    const [nearBox, farBox] = [new Inbox(near), new Inbox(far)]
    near.write(Buffer.from('hello'))
    await farBox.until(() => farBox.receivedBytes === 5)
    far.write(Buffer.from('world!'))
    await nearBox.until(() => nearBox.receivedBytes === 6)
    assert.deepEqual([farBox.bytes.toString(), nearBox.bytes.toString()], ['hello', 'world!'])
  })

  check('bytes that came before the reader are kept for it', async ({ near, far }) => {
    ignore(near)
    near.write(Buffer.from('early'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const inbox = new Inbox(far)
    await inbox.until(() => inbox.receivedBytes === 5)
  })

  check('a close comes after all bytes and without an error, once', async ({ near, far }) => {
    ignore(near)
    const inbox = new Inbox(far)
    near.write(randomBytes(200_000))
    near.close()
    await inbox.until(() => inbox.endCount > 0)
    assert.equal(inbox.receivedBytes, 200_000)
    assert.equal(inbox.error, undefined)
    far.close()
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(inbox.endCount, 1)
  })

  check('an abort ends both sides with an error and nothing more can be written', async ({ near, far }) => {
    const [nearBox, farBox] = [new Inbox(near), new Inbox(far)]
    near.write(Buffer.from('x'))
    await farBox.until(() => farBox.receivedBytes === 1)
    near.abort(new Error('no more'))
    near.abort(new Error('twice does nothing'))
    await farBox.until(() => farBox.endCount > 0)
    await nearBox.until(() => nearBox.endCount > 0)
    assert.ok(farBox.error instanceof Error)
    assert.throws(() => near.write(Buffer.from('y')), PeerClosedError)
    assert.throws(() => far.write(Buffer.from('y')), PeerClosedError)
  })

  check('drained waits for the reader every time, so that little is queued', async ({ near, far }) => {
    ignore(near)
    const inbox = new Inbox(far)
    let wroteBytes = 0
    let mostAheadBytes = 0
    const piece = randomBytes(256 * 1024)
    for (let count = 0; count < 64; count += 1) {
      const hasRoom = near.write(piece)
      wroteBytes += piece.byteLength
      if (!hasRoom) await near.drained({})
      mostAheadBytes = Math.max(mostAheadBytes, wroteBytes - inbox.receivedBytes)
    }
    await inbox.until(() => inbox.receivedBytes === wroteBytes)
    assert.ok(mostAheadBytes <= 4 * 1024 * 1024, `${mostAheadBytes} bytes were ahead of the reader`)
  })

  check(
    'drained returns at once when nothing is queued, and ends with its signal or the channel',
    async ({ near, far }) => {
      const inbox = new Inbox(far)
      ignore(near)
      await near.drained({})
      near.write(Buffer.from('x'))
      await inbox.until(() => inbox.receivedBytes === 1)
      await near.drained({ signal: new AbortController().signal })
    },
  )
}
