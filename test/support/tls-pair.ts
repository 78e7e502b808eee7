import assert from 'node:assert/strict'
import type { ByteChannel } from '../../src/exchange/index.ts'
import { TlsCarrier } from '../../src/exchange/tls-carrier.ts'
import { TlsListener, type TlsListenerInit, type TlsRefusal } from '../../src/exchange/tls-listener.ts'
import { generateIdentity, type TlsIdentity, tlsIdentityOf } from '../../src/p2p/index.ts'

export const LOOPBACK = '127.0.0.1'

/** A listener on loopback and what it let in and kept out. */
export class TlsTestServer implements AsyncDisposable {
  readonly identity: TlsIdentity
  readonly channels: ByteChannel[] = []
  readonly refusals: TlsRefusal[] = []
  readonly #listener: TlsListener
  #onChannel: (channel: ByteChannel) => void = () => undefined
  port = 0

  private constructor(identity: TlsIdentity, init: Partial<TlsListenerInit>) {
    this.identity = identity
    this.#listener = new TlsListener({
      identity,
      host: LOOPBACK,
      port: 0,
      maxHandshakes: 16,
      maxHandshakesPerHost: 16,
      handshakeTimeoutMs: 2_000,
      admits: () => true,
      onChannel: (channel) => {
        this.channels.push(channel)
        this.#onChannel(channel)
      },
      onRefused: (why) => this.refusals.push(why),
      ...init,
    })
  }

  static async start(init: Partial<TlsListenerInit> = {}): Promise<TlsTestServer> {
    const server = new TlsTestServer(await tlsIdentity(), init)
    server.port = await server.#listener.start()
    return server
  }

  get address() {
    return { host: LOOPBACK, port: this.port }
  }

  /** The next channel that is let in. */
  nextChannel(): Promise<ByteChannel> {
    return new Promise((resolve) => (this.#onChannel = resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.channels) channel.abort(new Error('the test is over'))
    await this.#listener.stop()
  }
}

/** A fresh identity. */
export async function tlsIdentity(): Promise<TlsIdentity> {
  return tlsIdentityOf(await generateIdentity())
}

/** Two ends of one channel over a real socket; disposing of it ends both. */
export async function tlsPair() {
  const server = await TlsTestServer.start()
  const identity = await tlsIdentity()
  const accepted = server.nextChannel()
  const near = await new TlsCarrier(identity).open(server.identity.peerId, server.address, {})
  const far = await accepted
  assert.equal(far.peerId, identity.peerId)
  const stop = async () => {
    near.abort(new Error('the test is over'))
    await server[Symbol.asyncDispose]()
  }
  return { near, far, [Symbol.asyncDispose]: stop }
}
