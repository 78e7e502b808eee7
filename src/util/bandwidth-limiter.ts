import { type AbortOptions, type Clock, ShoalError, type Timer } from '../core/index.ts'
import { BANDWIDTH_CLASSES, type Bandwidth, type BandwidthClass, type BandwidthRates } from './bandwidth.ts'
import { ByteBucket } from './byte-bucket.ts'

/** Takers that may wait: far more than there are transfers at a time, so only a runaway meets it. */
const MAX_WAITING = 4096

/** Timers of Node.js count whole milliseconds. */
const MIN_TIMER_MS = 1

/** More takers wait for bandwidth than is reasonable; try again later or elsewhere. */
export class BandwidthBusyError extends ShoalError {
  constructor() {
    super('too many transfers wait for bandwidth', { code: 'BANDWIDTH_BUSY', blame: 'local', retryable: true })
  }
}

export interface BandwidthLimiterComponents {
  readonly clock: Clock
  /** Somebody has waited this long and may go. */
  readonly onWaited?: ((bandwidthClass: BandwidthClass, waitedMs: number) => void) | undefined
}

interface Waiter {
  readonly bytes: number
  readonly go: () => void
}

interface Queue {
  readonly bandwidthClass: BandwidthClass
  readonly bucket: ByteBucket
  readonly waiters: Set<Waiter>
  waitingBytes: number
}

/**
 * Lets bytes of three classes pass at no more than given rates. Strictly by class: while one of a higher class waits for
 * its turn nobody of a lower one goes, for however long, unless what holds the higher one back is the ceiling of its own
 * class. First come, first served within a class. Over any time the bytes let through are at most the rate times that
 * time, one burst and one take. Rates can be changed at any time; who waits is looked at again.
 */
export class BandwidthLimiter implements Bandwidth {
  readonly #clock: Clock
  readonly #onWaited: BandwidthLimiterComponents['onWaited']
  readonly #total: ByteBucket
  readonly #queues: Readonly<Record<BandwidthClass, Queue>>
  #rates: BandwidthRates
  #waitingCount = 0
  #timer: Timer | undefined

  constructor(rates: BandwidthRates, { clock, onWaited }: BandwidthLimiterComponents) {
    const nowMs = clock.now()
    this.#clock = clock
    this.#onWaited = onWaited
    this.#rates = rates
    this.#total = new ByteBucket(rates.total, nowMs)
    const queueOf = (bandwidthClass: BandwidthClass): Queue => ({
      bandwidthClass,
      bucket: new ByteBucket(rates[bandwidthClass], nowMs),
      waiters: new Set(),
      waitingBytes: 0,
    })
    this.#queues = { lazy: queueOf('lazy'), pull: queueOf('pull'), background: queueOf('background') }
  }

  get rates(): BandwidthRates {
    return this.#rates
  }

  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Changes all rates from now on; what is owed from before stays owed, at the new rate. */
  setRates(rates: BandwidthRates): void {
    const nowMs = this.#clock.now()
    this.#rates = rates
    this.#total.setRate(rates.total, nowMs)
    for (const name of BANDWIDTH_CLASSES) this.#queues[name].bucket.setRate(rates[name], nowMs)
    this.#grant()
  }

  take(bytes: number, bandwidthClass: BandwidthClass, options: AbortOptions = {}): Promise<void> | undefined {
    return this.tryTake(bytes, bandwidthClass) ? undefined : this.#wait(this.#queues[bandwidthClass], bytes, options)
  }

  tryTake(bytes: number, bandwidthClass: BandwidthClass): boolean {
    const queue = this.#queues[bandwidthClass]
    if (!this.#total.isLimited && !queue.bucket.isLimited) return true
    // Those whose time has come while their timer is late go first.
    if (this.#hasWaitersUpTo(bandwidthClass)) this.#grant()
    if (queue.waiters.size > 0 || this.#waitMsOf(queue) > 0) return false
    this.#spend(queue, bytes)
    return true
  }

  refund(bytes: number, bandwidthClass: BandwidthClass): void {
    this.#spend(this.#queues[bandwidthClass], -bytes)
    if (this.#waitingCount > 0) this.#grant()
  }

  waitMs(bandwidthClass: BandwidthClass): number {
    const nowMs = this.#clock.now()
    const queue = this.#queues[bandwidthClass]
    let aheadBytes = 0
    for (const name of BANDWIDTH_CLASSES) {
      aheadBytes += this.#queues[name].waitingBytes
      if (name === bandwidthClass) break
    }
    return Math.max(this.#total.waitMs(nowMs, aheadBytes), queue.bucket.waitMs(nowMs, queue.waitingBytes))
  }

  #hasWaitersUpTo(bandwidthClass: BandwidthClass): boolean {
    for (const name of BANDWIDTH_CLASSES) {
      if (this.#queues[name].waiters.size > 0) return true
      if (name === bandwidthClass) break
    }
    return false
  }

  #waitMsOf({ bucket }: Queue): number {
    const nowMs = this.#clock.now()
    return Math.max(this.#total.waitMs(nowMs), bucket.waitMs(nowMs))
  }

  #spend({ bucket }: Queue, bytes: number): void {
    const nowMs = this.#clock.now()
    this.#total.spend(bytes, nowMs)
    bucket.spend(bytes, nowMs)
  }

  async #wait(queue: Queue, bytes: number, { signal }: AbortOptions): Promise<void> {
    signal?.throwIfAborted()
    if (this.#waitingCount >= MAX_WAITING) throw new BandwidthBusyError()
    const sinceMs = this.#clock.now()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { bytes, go: resolve }
    const onAbort = () => {
      this.#remove(queue, waiter)
      reject(signal?.reason)
      // Whoever stood behind it may be of a class that need not wait.
      this.#grant()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#add(queue, waiter)
    this.#arm()
    try {
      await promise
      this.#onWaited?.(queue.bandwidthClass, this.#clock.now() - sinceMs)
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #add(queue: Queue, waiter: Waiter): void {
    queue.waiters.add(waiter)
    queue.waitingBytes += waiter.bytes
    this.#waitingCount++
  }

  #remove(queue: Queue, waiter: Waiter): void {
    if (!queue.waiters.delete(waiter)) return
    queue.waitingBytes -= waiter.bytes
    this.#waitingCount--
  }

  /** Lets everybody go who may go now, and looks again when the next one may. */
  #grant(): void {
    for (let next = this.#next(); next !== undefined && next.waitMs <= 0; next = this.#next()) {
      const { queue, waiter } = next
      this.#remove(queue, waiter)
      this.#spend(queue, waiter.bytes)
      waiter.go()
    }
    this.#arm()
  }

  /** Who goes next, and when: the first of the highest class, unless a lower one may go before the ceiling of that class lets it. */
  #next(): { readonly queue: Queue; readonly waiter: Waiter; readonly waitMs: number } | undefined {
    const nowMs = this.#clock.now()
    const totalWaitMs = this.#total.waitMs(nowMs)
    let best: { readonly queue: Queue; readonly waiter: Waiter; readonly waitMs: number } | undefined
    for (const name of BANDWIDTH_CLASSES) {
      const queue = this.#queues[name]
      const [waiter] = queue.waiters
      if (waiter === undefined) continue
      const waitMs = Math.max(totalWaitMs, queue.bucket.waitMs(nowMs))
      if (best === undefined || waitMs < best.waitMs) best = { queue, waiter, waitMs }
    }
    return best
  }

  #arm(): void {
    this.#timer?.clear()
    const next = this.#waitingCount > 0 ? this.#next() : undefined
    this.#timer =
      next === undefined
        ? undefined
        : this.#clock.after(Math.max(MIN_TIMER_MS, Math.ceil(next.waitMs)), () => this.#grant())
  }
}
