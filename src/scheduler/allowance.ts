import { BANDWIDTH_CLASSES, type Bandwidth, type BandwidthClass } from '../util/index.ts'

interface Share {
  /** Waits in the queue of the process, at most once a class, so that downloads take turns. */
  waiting: AbortController | undefined
  /** Whether the plan being carried out wanted more than it got. */
  isWanted: boolean
  /** What was granted and is not spent yet. */
  creditBytes: number
}

/**
 * What one download may take from peers. Nothing that is asked for waits: what cannot be afforded is not begun, and is
 * planned anew at the moment it can be, so that by then something more urgent may have taken its place.
 * Owns the waits of this download for bandwidth; without a `bandwidth` there is no limit.
 */
export class Allowance {
  readonly #bandwidth: Bandwidth | undefined
  readonly #onGranted: () => void
  readonly #shares: Readonly<Record<BandwidthClass, Share>> = {
    lazy: { waiting: undefined, isWanted: false, creditBytes: 0 },
    pull: { waiting: undefined, isWanted: false, creditBytes: 0 },
    background: { waiting: undefined, isWanted: false, creditBytes: 0 },
  }

  constructor(bandwidth: Bandwidth | undefined, onGranted: () => void) {
    this.#bandwidth = bandwidth
    this.#onGranted = onGranted
  }

  /** Something could be fetched now but for the limit. */
  get isWaiting(): boolean {
    return this.#bandwidth !== undefined && BANDWIDTH_CLASSES.some((name) => this.#shares[name].waiting !== undefined)
  }

  /** Takes `bytes` if they may come now; else false, and a new plan is asked for when they may. */
  take(bytes: number, bandwidthClass: BandwidthClass): boolean {
    if (this.#bandwidth === undefined) return true
    const share = this.#shares[bandwidthClass]
    if (share.creditBytes >= bytes) {
      share.creditBytes -= bytes
      return true
    }
    if (share.waiting === undefined && this.#bandwidth.tryTake(bytes, bandwidthClass)) return true
    share.isWanted = true
    if (share.waiting === undefined) this.#wait(this.#bandwidth, bytes, bandwidthClass)
    return false
  }

  /** Gives back what was taken and did not come. */
  refund(bytes: number, bandwidthClass: BandwidthClass): void {
    this.#bandwidth?.refund(bytes, bandwidthClass)
  }

  /** Carries out a plan; what waits for bandwidth that this plan did not want, or holds some that it did not use, lets go of it. */
  round(carryOut: () => void): void {
    if (this.#bandwidth === undefined) return carryOut()
    for (const name of BANDWIDTH_CLASSES) this.#shares[name].isWanted = false
    carryOut()
    for (const name of BANDWIDTH_CLASSES) {
      const share = this.#shares[name]
      if (!share.isWanted) share.waiting?.abort()
      if (share.creditBytes > 0) this.refund(share.creditBytes, name)
      share.creditBytes = 0
    }
  }

  #wait(bandwidth: Bandwidth, bytes: number, bandwidthClass: BandwidthClass): void {
    const share = this.#shares[bandwidthClass]
    const controller = new AbortController()
    share.waiting = controller
    const isOver = () => {
      if (share.waiting === controller) share.waiting = undefined
    }
    const granted = () => {
      isOver()
      share.creditBytes += bytes
      this.#onGranted()
    }
    const turn = bandwidth.take(bytes, bandwidthClass, { signal: controller.signal })
    // With too many waiting already, the next tick of the download tries again.
    if (turn === undefined) granted()
    else turn.then(granted, isOver)
  }
}
