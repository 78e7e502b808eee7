import type { Clock, Timer } from '../../../src/core/index.ts'

/** The rates of one node's link, bytes per second each way. */
export interface LinkRates {
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
}

/** Bytes left of a flow that count as none: rates are floating point. */
const ROUNDING_BYTES = 0.5

/** Changes of rate smaller than this share of a link are not followed any further. */
const SAME_RATE = 0.005

/** Links looked at for one flow that comes or goes, before what is left over is left unused. */
const MAX_STEPS = 64

/** One node's full-duplex link; flows share it fairly each way. */
export class Link {
  readonly rates: LinkRates
  readonly sending: Flow[] = []
  readonly receiving: Flow[] = []
  /** What all flows together bring in now. */
  inBytesPerSecond = 0
  sentBytes = 0
  /** What leaves is to be shared anew. */
  isDirty = false

  constructor(rates: LinkRates) {
    this.rates = rates
  }

  /** What each flow that comes in may have in any case. */
  get fairShareOfDown(): number {
    return this.rates.downBytesPerSecond / Math.max(1, this.receiving.length)
  }

  /** With one flow more or less, what comes in was or will be limited here. */
  get isNearlyFull(): boolean {
    const { downBytesPerSecond } = this.rates
    const shareBytesPerSecond = downBytesPerSecond / (this.receiving.length + 1)
    return this.inBytesPerSecond + shareBytesPerSecond >= downBytesPerSecond * (1 - 2 * SAME_RATE)
  }

  get isOverfull(): boolean {
    return this.inBytesPerSecond > this.rates.downBytesPerSecond * (1 + SAME_RATE)
  }
}

/** Bytes on their way from one link to another. */
export class Flow {
  readonly from: Link
  readonly to: Link
  bytesPerSecond = 0
  /** What its receiver has for it at most, as long as the sender's link is being shared. */
  demandBytesPerSecond = 0
  /** Its rate is another one than that it runs at. */
  isChanged = false
  readonly #onEnd: () => void
  readonly #sizeBytes: number
  #leftBytes: number
  #runsAtBytesPerMs = 0
  #sinceMs: number
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY

  /** Begins to flow at once; `onEnd` is called when the last byte has left. */
  constructor(clock: Clock, from: Link, to: Link, sizeBytes: number, onEnd: () => void) {
    this.from = from
    this.to = to
    this.#onEnd = onEnd
    this.#sizeBytes = sizeBytes
    this.#leftBytes = sizeBytes
    this.#sinceMs = clock.now()
    from.sending.push(this)
    to.receiving.push(this)
    shareAnew(from, to, clock)
  }

  /** The most that the receiver has for this flow: its fair share, or what the others leave. */
  get mostBytesPerSecond(): number {
    const { to } = this
    return Math.max(to.fairShareOfDown, to.rates.downBytesPerSecond - (to.inBytesPerSecond - this.bytesPerSecond))
  }

  /** Ends it, whether or not all has arrived; what was sent is counted. */
  end(clock: Clock): void {
    if (!take(this.from.sending, this)) return
    this.#progress(clock.now())
    this.#timer?.clear()
    take(this.to.receiving, this)
    this.to.inBytesPerSecond -= this.bytesPerSecond
    this.from.sentBytes += this.#sizeBytes - (this.#leftBytes > ROUNDING_BYTES ? this.#leftBytes : 0)
    shareAnew(this.from, this.to, clock)
  }

  /** Goes on at the rate that it was given. */
  run(clock: Clock): void {
    this.isChanged = false
    this.#progress(clock.now())
    this.#runsAtBytesPerMs = this.bytesPerSecond / 1000
    this.#schedule(clock)
  }

  #progress(nowMs: number): void {
    this.#leftBytes -= (nowMs - this.#sinceMs) * this.#runsAtBytesPerMs
    this.#sinceMs = nowMs
  }

  /** A timer that comes too early looks again, so that a flow slowed down costs no new one. */
  #schedule(clock: Clock): void {
    const dueMs = clock.now() + Math.max(0, this.#leftBytes) / this.#runsAtBytesPerMs
    if (this.#timerMs <= dueMs) return
    this.#timer?.clear()
    this.#timerMs = dueMs
    this.#timer = clock.after(dueMs - clock.now(), () => {
      this.#timerMs = Number.POSITIVE_INFINITY
      this.#progress(clock.now())
      if (this.#leftBytes > ROUNDING_BYTES) this.#schedule(clock)
      else this.#onEnd()
    })
  }
}

/**
 * A flow between `from` and `to` came or went: all flows that this touches get what is fair (max-min: nobody gets more
 * at the cost of one who has less). What one end cannot take is left to the others, over as many links as it takes.
 */
function shareAnew(from: Link, to: Link, clock: Clock): void {
  const changed: Flow[] = []
  const dirty: Link[] = []
  mark(from, dirty)
  // Whoever sends to a receiver with room to spare is held back by its own link only.
  if (to.isNearlyFull) for (const flow of to.receiving) mark(flow.from, dirty)
  let steps = 0
  for (const link of dirty) {
    link.isDirty = false
    if (steps++ < MAX_STEPS) shareUplink(link, changed, dirty)
  }
  for (const flow of changed) flow.run(clock)
}

function mark(link: Link, dirty: Link[]): void {
  if (link.isDirty) return
  link.isDirty = true
  dirty.push(link)
}

/** Shares what leaves `link`: evenly, but what a receiver cannot take goes to the other flows. Those who send to a receiver that has too much now are marked. */
function shareUplink(link: Link, changed: Flow[], dirty: Link[]): void {
  const { sending } = link
  let leftBytesPerSecond = link.rates.upBytesPerSecond
  let leftFlows = sending.length
  for (const flow of sending) flow.demandBytesPerSecond = flow.mostBytesPerSecond
  for (const flow of leftFlows > 1 ? byDemand(sending) : sending) {
    const rate = Math.min(flow.demandBytesPerSecond, leftBytesPerSecond / leftFlows--)
    leftBytesPerSecond -= rate
    if (Math.abs(rate - flow.bytesPerSecond) <= SAME_RATE * rate) continue
    flow.to.inBytesPerSecond += rate - flow.bytesPerSecond
    flow.bytesPerSecond = rate
    if (!flow.isChanged) changed.push(flow)
    flow.isChanged = true
    if (flow.to.isOverfull) markSendersOf(flow.to, dirty)
  }
}

/** Those who send more than is fair to `overfull`. */
function markSendersOf(overfull: Link, dirty: Link[]): void {
  const { fairShareOfDown } = overfull
  for (const flow of overfull.receiving) if (flow.bytesPerSecond > fairShareOfDown) mark(flow.from, dirty)
}

/** Those that can take least first; sorted by insertion, as there are a handful. */
function byDemand(sending: readonly Flow[]): Flow[] {
  const sorted: Flow[] = []
  for (const flow of sending) {
    let place = sorted.length
    for (; place > 0; place--) {
      const before = sorted[place - 1] as Flow
      if (before.demandBytesPerSecond <= flow.demandBytesPerSecond) break
      sorted[place] = before
    }
    sorted[place] = flow
  }
  return sorted
}

/** Takes `flow` out of `flows`, which keep their order; false when it is not there. */
function take(flows: Flow[], flow: Flow): boolean {
  const index = flows.indexOf(flow)
  if (index < 0) return false
  flows.splice(index, 1)
  return true
}

/** Resolves when `bytes` have crossed from one link to the other. */
export async function transfer(
  clock: Clock,
  from: Link,
  to: Link,
  bytes: number,
  latencyMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      flow.end(clock)
      reject(signal?.reason)
    }
    const flow = new Flow(clock, from, to, bytes, () => {
      flow.end(clock)
      signal?.removeEventListener('abort', onAbort)
      clock.after(latencyMs, resolve)
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
  signal?.throwIfAborted()
}

/** A wait that is over this soon is not worth being cut short. */
const SHORT_MS = 5

/** Virtual sleep; rejects with the signal's reason, at its end at the latest. */
export async function delay(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms <= SHORT_MS) {
    await new Promise<void>((resolve) => void clock.after(ms, resolve))
    return signal?.throwIfAborted()
  }
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = clock.after(ms, resolve)
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    timer.clear()
    signal?.removeEventListener('abort', onAbort)
  }
}
