import type { AbortOptions, Clock } from '../core/index.ts'
import type { Urgency } from './messages.ts'

export interface UploadSlotsInit {
  /** Most chunks sent at a time, over all peers. */
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

/**
 * A chunk that takes longer to send has too many others beside it: one at a time it would be there, and relayed, sooner.
 * Eight of 1 MiB at once take 0.7 s over 100 Mbit/s. A requester that hears nothing for 5 s takes us for dead.
 */
const SLOW_MS = 1_000

/**
 * Sent at once however slow they are, where there are as many slots: receivers have other chunks coming in, and with two
 * at a time an uplink is half idle (a simulated wave took 1.5 times the ideal instead of 1.25).
 */
const MIN_SLOTS = 4

/** Slots left after a slow chunk, as a share. */
const BACK_OFF = 0.7

/** The shortest wait that is told: a retry costs a round trip anyway. */
const MIN_BUSY_MS = 10

/**
 * Lets a bounded number of chunks be sent at a time, the urgent first, and tells the rest how long it will take. The number
 * falls while chunks are slow to go out, and rises again up to its bound while they are not and all slots are in use.
 */
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
  /** Slots there are now; grows by fractions. */
  #open: number
  #shrunkAtMs = Number.NEGATIVE_INFINITY

  constructor(init: UploadSlotsInit, clock: Clock) {
    this.#init = init
    this.#clock = clock
    this.#open = init.slots
  }

  /** Chunks that may be sent at a time now. */
  get limit(): number {
    return Math.floor(this.#open)
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
    if (this.#inUse < this.limit) return this.#take()
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
        this.#sent(this.#clock.now() - sinceMs)
        this.#inUse -= 1
        while (this.#inUse < this.limit && this.#grantNext());
      },
    }
  }

  #sent(tookMs: number): void {
    const nowMs = this.#clock.now()
    this.#serviceMs += SERVICE_WEIGHT * (tookMs - this.#serviceMs)
    if (tookMs <= SLOW_MS) {
      if (this.#inUse >= this.limit) this.#open = Math.min(this.#init.slots, this.#open + 1 / this.#open)
    } else if (nowMs - tookMs >= this.#shrunkAtMs) {
      // Those that began before it shrank last say nothing of what it is like now.
      this.#shrunkAtMs = nowMs
      this.#open = Math.min(this.#init.slots, Math.max(MIN_SLOTS, this.#open * BACK_OFF))
    }
  }

  /** False when nobody waits. */
  #grantNext(): boolean {
    for (const urgency of URGENCIES) {
      for (const waiter of this.#waiting[urgency]) {
        waiter.grant(this.#take())
        return true
      }
    }
    return false
  }

  /** Those served before a newcomer, in rounds of all slots, each as long as a chunk usually takes. */
  #estimateMs(urgency: Urgency): number {
    let ahead = 1
    for (const other of URGENCIES) {
      ahead += this.#waiting[other].size
      if (other === urgency) break
    }
    return Math.max(MIN_BUSY_MS, Math.ceil((ahead / this.limit) * this.#serviceMs))
  }
}
