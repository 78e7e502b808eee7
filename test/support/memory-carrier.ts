import type { AbortOptions } from '../../src/core/index.ts'
import { type ByteChannel, type ChannelReceiver, PeerClosedError } from '../../src/exchange/index.ts'

export interface MemoryChannelOptions {
  /** Bytes that may wait for the reader before `write` asks to wait. */
  readonly capacityBytes?: number
  /** Cuts what is delivered into pieces of at most this size. */
  readonly pieceBytes?: number
}

/** Two connected byte channels in this process; the names are the PeerIds that each side sees at the other. */
export function memoryChannelPair(
  names: readonly [string, string],
  options: MemoryChannelOptions = {},
): [MemoryChannel, MemoryChannel] {
  const first = new MemoryChannel(names[1], options)
  const second = new MemoryChannel(names[0], options)
  first.join(second)
  second.join(first)
  return [first, second]
}

/** One end of a pair. Delivers in later turns of the event loop, as sockets do; `hold` makes its reader a slow one. */
export class MemoryChannel implements ByteChannel {
  readonly peerId: string
  readonly #capacityBytes: number
  readonly #pieceBytes: number
  readonly #incoming: Uint8Array[] = []
  readonly #waiting = new Set<() => void>()
  #other: MemoryChannel | undefined
  #receiver: ChannelReceiver | undefined
  #queuedBytes = 0
  #isHeld = false
  #allowedBytes = Number.POSITIVE_INFINITY
  #isWriteClosed = false
  #isEnded = false
  #hasRemoteClosed = false

  constructor(peerId: string, options: MemoryChannelOptions) {
    this.peerId = peerId
    this.#capacityBytes = options.capacityBytes ?? 256 * 1024
    this.#pieceBytes = options.pieceBytes ?? 64 * 1024
  }

  /** Bytes written by the other side that the reader has not taken. */
  get waitingBytes(): number {
    return this.#queuedBytes
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  join(other: MemoryChannel): void {
    this.#other = other
  }

  /** Stops or resumes delivery to the reader of this end. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.#deliverSoon()
  }

  /** Delivers this many bytes more, rounded up to a whole piece, and then holds. */
  holdAfter(bytes: number): void {
    this.#allowedBytes = bytes
  }

  open(receiver: ChannelReceiver): void {
    this.#receiver = receiver
    this.#deliverSoon()
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isWriteClosed || this.#isEnded) throw new PeerClosedError('the channel has ended')
    return this.#other?.take(bytes) ?? false
  }

  async drained(options: AbortOptions): Promise<void> {
    while (!this.#isEnded && this.#other !== undefined && this.#other.waitingBytes > this.#capacityBytes) {
      options.signal?.throwIfAborted()
      await this.#nextChange(options.signal)
    }
    if (this.#isEnded) throw new PeerClosedError('the channel has ended')
  }

  close(): void {
    if (this.#isWriteClosed || this.#isEnded) return
    this.#isWriteClosed = true
    this.#other?.onRemoteClosed()
  }

  abort(_error: Error): void {
    if (this.#isEnded) return
    this.end(new PeerClosedError('aborted here'))
    const other = this.#other
    setImmediate(() => other?.end(new PeerClosedError('reset by the other end')))
  }

  take(bytes: Uint8Array): boolean {
    if (this.#isEnded) return false
    this.#incoming.push(bytes.slice())
    this.#queuedBytes += bytes.byteLength
    this.#deliverSoon()
    return this.#queuedBytes <= this.#capacityBytes
  }

  onRemoteClosed(): void {
    this.#hasRemoteClosed = true
    this.#deliverSoon()
  }

  /** Ends this side: what was queued is lost. */
  end(error: Error): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#incoming.length = 0
    this.#queuedBytes = 0
    this.#wake()
    this.#other?.wakeWriters()
    this.#receiver?.onEnd(error)
  }

  wakeWriters(): void {
    this.#wake()
  }

  #deliverSoon(): void {
    setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    if (this.#receiver === undefined || this.#isHeld || this.#isEnded) return
    for (let bytes = this.#incoming.shift(); bytes !== undefined && !this.#isEnded; bytes = this.#incoming.shift()) {
      const piece = bytes.subarray(0, this.#pieceBytes)
      if (piece.byteLength < bytes.byteLength) this.#incoming.unshift(bytes.subarray(piece.byteLength))
      this.#queuedBytes -= piece.byteLength
      this.#allowedBytes -= piece.byteLength
      this.#receiver.onBytes(piece)
      if (this.#allowedBytes <= 0) {
        this.#isHeld = true
        this.#allowedBytes = Number.POSITIVE_INFINITY
        return
      }
    }
    this.#other?.wakeWriters()
    if (this.#hasRemoteClosed && !this.#isEnded && this.#incoming.length === 0) {
      this.#isEnded = true
      this.#receiver.onEnd()
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(onChange)
        signal?.removeEventListener('abort', onAbort)
      }
      const onChange = () => {
        leave()
        resolve()
      }
      const onAbort = () => {
        leave()
        reject(signal?.reason)
      }
      this.#waiting.add(onChange)
      signal?.addEventListener('abort', onAbort)
    })
  }
}
