import type { TLSSocket } from 'node:tls'
import type { AbortOptions } from '../core/index.ts'
import type { ByteChannel, ChannelReceiver } from './carrier.ts'
import { PeerClosedError } from './errors.ts'
import { resetSocket } from './tls-reset.ts'

/** How long the other end may take to end its side after ours: it has nothing to send by then, so this is a round trip with room. */
const CLOSE_TIMEOUT_MS = 5_000

/** A TLS socket whose far end is known to be `peerId`, as a byte channel. Owns the socket from its construction on. */
export class TlsChannel implements ByteChannel {
  readonly peerId: string
  readonly #socket: TLSSocket
  readonly #early: Uint8Array[] = []
  #receiver: ChannelReceiver | undefined
  #isOpen = false
  #hasEnded = false
  #error: Error | undefined

  constructor(socket: TLSSocket, peerId: string) {
    this.#socket = socket
    this.peerId = peerId
    socket.once('end', () => this.#end(undefined))
    socket.on('error', (error) => this.#end(new PeerClosedError('the socket broke', error)))
    socket.once('close', () => this.#end(new PeerClosedError('the socket was closed')))
  }

  /** Takes what the socket's owner read of it; what comes before there is a reader is copied, and reading pauses. */
  deliver(piece: Uint8Array): void {
    if (this.#receiver !== undefined) return this.#receiver.onBytes(piece)
    if (this.#isOpen) return
    this.#early.push(piece.slice())
    this.#socket.pause()
  }

  open(receiver: ChannelReceiver): void {
    this.#isOpen = true
    this.#receiver = receiver
    queueMicrotask(() => {
      for (const piece of this.#early.splice(0)) this.#receiver?.onBytes(piece)
      if (this.#hasEnded) this.#tellEnd()
      else this.#socket.resume()
    })
  }

  write(bytes: Uint8Array, onSent?: () => void): boolean {
    if (!this.#socket.writable) throw new PeerClosedError('the socket has ended')
    return this.#socket.write(bytes, onSent)
  }

  async drained({ signal }: AbortOptions): Promise<void> {
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed) await this.#nextDrain(signal)
    if (this.#socket.destroyed) throw new PeerClosedError('the socket closed while bytes were queued')
  }

  close(): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    socket.end()
    const timer = setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref()
    socket.once('close', () => clearTimeout(timer))
  }

  abort(error: Error): void {
    if (this.#socket.destroyed) return
    this.#end(error instanceof PeerClosedError ? error : new PeerClosedError('the socket was given up', error))
    resetSocket(this.#socket)
  }

  #nextDrain(signal: AbortSignal | undefined): Promise<void> {
    const socket = this.#socket
    return new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void) => {
        socket.off('drain', onChange)
        socket.off('close', onChange)
        signal?.removeEventListener('abort', onAbort)
        finish()
      }
      const onChange = () => settle(resolve)
      const onAbort = () => settle(() => reject(signal?.reason))
      socket.on('drain', onChange)
      socket.on('close', onChange)
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted === true) onAbort()
    })
  }

  #end(error: Error | undefined): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#error = error
    if (this.#isOpen && this.#early.length === 0) this.#tellEnd()
  }

  #tellEnd(): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    receiver?.onEnd(this.#error)
  }
}
