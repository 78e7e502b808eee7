import type { AbortOptions, Clock } from '../core/index.ts'
import type { Urgency } from './messages.ts'

export interface UploadSlotsInit {
  /** Chunks sent at a time, over all peers. */
  readonly slots: number
  /** Wants that may wait for a slot. */
  readonly maxWaiting: number
  /** The longest wait of a want that is not patient. */
  readonly maxWaitMs: number
}

export interface SlotOptions extends AbortOptions {
  readonly urgency: Urgency
  /** Waits as long as the signal lets it: for a chunk that was chosen for this peer and would be chosen again. */
  readonly isPatient?: boolean
}

/** The right to send one chunk, until released; releasing twice does nothing. */
export interface UploadSlot {
  release(): void
}

/** No slot was free in time; the number is the estimated wait in milliseconds. */
export interface SlotsBusy {
  readonly busyMs: number
}

interface Waiter {
  readonly urgency: Urgency
  readonly grant: (slot: UploadSlot) => void
}

const URGENCIES: readonly Urgency[] = ['now', 'soon', 'later', 'idle']

/** Service time assumed before any was measured: 1 MiB at 50 MB/s. */
const FIRST_SERVICE_MS = 20

/** Weight of the newest service time: the estimate follows a change within about five chunks. */
const SERVICE_WEIGHT = 0.2

/** The shortest wait that is told: a retry costs a round trip anyway. */
const MIN_BUSY_MS = 10

/** Lets a bounded number of chunks be sent at a time, the urgent first, and tells the rest how long it will take. */
export class UploadSlots {
  readonly #init: UploadSlotsInit
  readonly #clock: Clock
  readonly #waiting: Record<Urgency, Set<Waiter>> = {
    now: new Set(),
    soon: new Set(),
    later: new Set(),
    idle: new Set(),
  }
  #inUse = 0
  #waitingCount = 0
  #serviceMs = FIRST_SERVICE_MS

  constructor(init: UploadSlotsInit, clock: Clock) {
    this.#init = init
    this.#clock = clock
  }

  get inUse(): number {
    return this.#inUse
  }

  get waitingCount(): number {
    return this.#waitingCount
  }

  /** A slot, or how long to stay away. Throws only the signal's reason. */
  async acquire(options: SlotOptions): Promise<UploadSlot | SlotsBusy> {
    options.signal?.throwIfAborted()
    if (this.#inUse < this.#init.slots) return this.#take()
    const waitMs = this.#estimateMs(options.urgency)
    if (this.#waitingCount >= this.#init.maxWaiting) return { busyMs: waitMs }
    if (options.isPatient !== true && waitMs > this.#init.maxWaitMs) return { busyMs: waitMs }
    return await this.#wait(options)
  }

  #wait(options: SlotOptions): Promise<UploadSlot | SlotsBusy> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        if (this.#waiting[options.urgency].delete(waiter)) this.#waitingCount -= 1
        options.signal?.removeEventListener('abort', onAbort)
        timer?.clear()
      }
      const waiter: Waiter = {
        urgency: options.urgency,
        grant: (slot) => {
          leave()
          resolve(slot)
        },
      }
      const onAbort = () => {
        leave()
        reject(options.signal?.reason)
      }
      const onLate = () => {
        leave()
        resolve({ busyMs: this.#estimateMs(options.urgency) })
      }
      const timer = options.isPatient === true ? undefined : this.#clock.after(this.#init.maxWaitMs, onLate)
      options.signal?.addEventListener('abort', onAbort)
      this.#waiting[options.urgency].add(waiter)
      this.#waitingCount += 1
    })
  }

  #take(): UploadSlot {
    this.#inUse += 1
    const sinceMs = this.#clock.now()
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#serviceMs += SERVICE_WEIGHT * (this.#clock.now() - sinceMs - this.#serviceMs)
        this.#inUse -= 1
        this.#grantNext()
      },
    }
  }

  #grantNext(): void {
    for (const urgency of URGENCIES) {
      for (const waiter of this.#waiting[urgency]) {
        waiter.grant(this.#take())
        return
      }
    }
  }

  /** Those served before a newcomer, in rounds of all slots, each as long as a chunk usually takes. */
  #estimateMs(urgency: Urgency): number {
    let ahead = 1
    for (const other of URGENCIES) {
      ahead += this.#waiting[other].size
      if (other === urgency) break
    }
    return Math.max(MIN_BUSY_MS, Math.ceil((ahead / this.#init.slots) * this.#serviceMs))
  }
}
