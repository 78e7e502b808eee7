import type { Clock, Timer } from '../core/index.ts'

/** Bytes on loan: whoever has the lease may read them until it gives them back, and must not change what others share. */
export interface Lease {
  /** Throws once this lease was given back: the buffer may hold another's bytes by then. */
  readonly bytes: Uint8Array
  /** One more lease on bytes [start, end) of this one, given back on its own. */
  share(start?: number, end?: number): Lease
  /**
   * Gives the bytes back; a second call does nothing. To be called only when nobody looks at them any more, the kernel and
   * other threads included. A lease that is lost instead costs an allocation, nothing else.
   */
  release(): void
}

/** A lease on bytes that belong to no pool: giving them back leaves them to the garbage collector. */
export function unpooled(bytes: Uint8Array): Lease {
  return new SharedLease(bytes, new Holders(() => {}))
}

/** Where buffers for chunks come from. */
export interface Buffers {
  /** A buffer of this length, its content unspecified, for its only holder to fill. */
  lease(lengthBytes: number): Lease
}

/** Each buffer a fresh one, never used again. */
export const freshBuffers: Buffers = { lease: (lengthBytes) => unpooled(new Uint8Array(allocate(lengthBytes))) }

export interface BufferPoolInit {
  /** Most bytes kept for later use; what comes back beyond them is left to the garbage collector. */
  readonly maxIdleBytes: number
  /** Shorter buffers are not kept. */
  readonly minPooledBytes?: number
  /** For tests: overwrites what comes back, so that a reader that still looks at it finds rubbish. */
  readonly isPoisoning?: boolean
}

/** Smaller buffers die young and cost nothing to speak of; pooling them would only keep memory. */
const MIN_POOLED_BYTES = 64 * 1024

/** What was of no use for this long is freed: the pauses within a pull are shorter, and an idle agent should be small. */
const TRIM_MS = 5_000

/** Neither zeros nor text, so that it stands out in a dump. */
const POISON = 0xdb

/**
 * Buffers for chunks that pass through. A fresh buffer a chunk lives outside of V8's heap, and each 64 MiB of them have V8
 * mark all of it: a third of the CPU of a pull. Capacities are powers of two; buffers in use are not counted or bounded here.
 */
export class BufferPool implements Buffers {
  readonly #init: BufferPoolInit
  readonly #clock: Clock
  readonly #idle = new Map<number, ArrayBuffer[]>()
  /** The fewest idle buffers of each capacity since the last trim: these were of no use. */
  readonly #unused = new Map<number, number>()
  #idleBytes = 0
  #trimTimer: Timer | undefined

  constructor(init: BufferPoolInit, components: { readonly clock: Clock }) {
    this.#init = init
    this.#clock = components.clock
  }

  /** Bytes kept for later use. */
  get idleBytes(): number {
    return this.#idleBytes
  }

  lease(lengthBytes: number): Lease {
    if (lengthBytes < (this.#init.minPooledBytes ?? MIN_POOLED_BYTES)) return freshBuffers.lease(lengthBytes)
    const capacity = capacityFor(lengthBytes)
    const buffer = this.#take(capacity) ?? allocate(capacity)
    return new SharedLease(new Uint8Array(buffer, 0, lengthBytes), new Holders(() => this.#giveBack(buffer)))
  }

  /** Frees what is idle; buffers that come back later are kept again. */
  clear(): void {
    this.#trimTimer?.clear()
    this.#trimTimer = undefined
    for (const [capacity, buffers] of this.#idle) this.#free(capacity, buffers.length)
  }

  #take(capacity: number): ArrayBuffer | undefined {
    // The last that came back: it is the likeliest to be in the processor's cache.
    const buffers = this.#idle.get(capacity)
    const buffer = buffers?.pop()
    if (buffers === undefined || buffer === undefined) return undefined
    this.#idleBytes -= capacity
    this.#unused.set(capacity, Math.min(this.#unused.get(capacity) ?? 0, buffers.length))
    return buffer
  }

  #giveBack(buffer: ArrayBuffer): void {
    const capacity = buffer.byteLength
    if (this.#init.isPoisoning === true) new Uint8Array(buffer).fill(POISON)
    if (this.#idleBytes + capacity > this.#init.maxIdleBytes) return
    const buffers = this.#idle.get(capacity)
    if (buffers === undefined) this.#idle.set(capacity, [buffer])
    else buffers.push(buffer)
    this.#idleBytes += capacity
    this.#trimTimer ??= this.#clock.after(TRIM_MS, () => this.#trim())
  }

  #trim(): void {
    this.#trimTimer = undefined
    for (const [capacity, buffers] of this.#idle) {
      this.#free(capacity, this.#unused.get(capacity) ?? 0)
      this.#unused.set(capacity, buffers.length)
    }
    if (this.#idleBytes > 0) this.#trimTimer = this.#clock.after(TRIM_MS, () => this.#trim())
  }

  /** Frees at once: an idle process collects no garbage for a long time. */
  #free(capacity: number, count: number): void {
    for (const buffer of this.#idle.get(capacity)?.splice(0, count) ?? []) {
      buffer.transfer(0)
      this.#idleBytes -= capacity
    }
  }
}

/** How many leases there are on one buffer. */
class Holders {
  readonly #onNone: () => void
  #count = 0

  constructor(onNone: () => void) {
    this.#onNone = onNone
  }

  join(): void {
    this.#count++
  }

  leave(): void {
    this.#count--
    if (this.#count === 0) this.#onNone()
  }
}

class SharedLease implements Lease {
  readonly #holders: Holders
  #bytes: Uint8Array | undefined

  constructor(bytes: Uint8Array, holders: Holders) {
    this.#bytes = bytes
    this.#holders = holders
    holders.join()
  }

  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Error('these bytes were given back')
    return this.#bytes
  }

  share(start?: number, end?: number): Lease {
    // The whole stays the same array.
    return new SharedLease(start === undefined ? this.bytes : this.bytes.subarray(start, end), this.#holders)
  }

  release(): void {
    if (this.#bytes === undefined) return
    this.#bytes = undefined
    this.#holders.leave()
  }
}

/** Not zeroed: a lease is handed on only when every byte was written. */
function allocate(lengthBytes: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(lengthBytes).buffer
}

function capacityFor(lengthBytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, lengthBytes)))
}
