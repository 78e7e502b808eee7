import type { TLSSocket } from 'node:tls'
import { peerIdOfCertificate } from '../p2p/index.ts'
import type { ByteChannel } from './carrier.ts'
import { PeerClosedError } from './errors.ts'
import { TlsChannel } from './tls-channel.ts'
import { ADMITTED, ALPN_PROTOCOL, KEEP_ALIVE_MS } from './tls-options.ts'

/** One attempt at a bulk port: connecting -> handshake -> admitted, and a channel from then on; or failed. */
export class TlsDial {
  readonly #socket: TLSSocket
  readonly #peerId: string
  readonly #opened = Promise.withResolvers<ByteChannel>()
  readonly #onClose = () => this.fail(new PeerClosedError('the bulk port did not let us in'))
  #channel: TlsChannel | undefined

  /** Owns `socket`, which is being connected, until there is a channel. */
  constructor(socket: TLSSocket, peerId: string) {
    this.#socket = socket
    this.#peerId = peerId
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.on('error', (error) => this.#opened.reject(error))
    socket.once('secureConnect', () => this.#orFail(() => this.#checkPeer()))
    socket.once('end', this.#onClose)
    socket.once('close', this.#onClose)
  }

  /** The channel, once the listener has said that we are admitted. */
  get channel(): Promise<ByteChannel> {
    return this.#opened.promise
  }

  /** Takes what was read of the socket: the listener's one byte, and the channel's bytes. */
  receive(piece: Uint8Array): void {
    if (this.#channel !== undefined) return this.#channel.deliver(piece)
    this.#orFail(() => {
      const channel = this.#admit(piece[0])
      if (piece.byteLength > 1) channel.deliver(piece.subarray(1))
    })
  }

  fail(error: unknown): void {
    this.#opened.reject(error)
    if (this.#channel === undefined) this.#socket.destroy()
  }

  /** handshake -> admitted. Bytes may come before the handshake is said to be over, so it is looked at here too. */
  #admit(first: number | undefined): TlsChannel {
    this.#checkPeer()
    if (first !== ADMITTED) throw new PeerClosedError('the bulk port speaks something else')
    this.#socket.off('end', this.#onClose)
    this.#socket.off('close', this.#onClose)
    this.#channel = new TlsChannel(this.#socket, this.#peerId)
    this.#opened.resolve(this.#channel)
    return this.#channel
  }

  #checkPeer(): void {
    const socket = this.#socket
    if (peerIdOfCertificate(socket.getPeerX509Certificate()) !== this.#peerId)
      throw new PeerClosedError('the bulk port belongs to somebody else')
    if (socket.alpnProtocol !== ALPN_PROTOCOL) throw new PeerClosedError('the bulk port speaks another protocol')
  }

  #orFail(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(error)
    }
  }
}
