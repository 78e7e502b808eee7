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
  readonly sending = new Set<Flow>()
  readonly receiving = new Set<Flow>()
  /** What all flows together bring in now. */
  inBytesPerSecond = 0
  sentBytes = 0

  constructor(rates: LinkRates) {
    this.rates = rates
  }

  /** What each flow that comes in may have in any case. */
  get fairShareOfDown(): number {
    return this.rates.downBytesPerSecond / Math.max(1, this.receiving.size)
  }

  /** With one flow more or less, what comes in was or will be limited here. */
  get isNearlyFull(): boolean {
    const { downBytesPerSecond } = this.rates
    const shareBytesPerSecond = downBytesPerSecond / (this.receiving.size + 1)
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
    from.sending.add(this)
    to.receiving.add(this)
    shareAnew(from, to, clock)
  }

  /** The most that the receiver has for this flow: its fair share, or what the others leave. */
  get mostBytesPerSecond(): number {
    const { rates, inBytesPerSecond, fairShareOfDown } = this.to
    return Math.max(fairShareOfDown, rates.downBytesPerSecond - (inBytesPerSecond - this.bytesPerSecond))
  }

  /** Ends it, whether or not all has arrived; what was sent is counted. */
  end(clock: Clock): void {
    if (!this.from.sending.delete(this)) return
    this.#progress(clock.now())
    this.#timer?.clear()
    this.to.receiving.delete(this)
    this.to.inBytesPerSecond -= this.bytesPerSecond
    this.from.sentBytes += this.#sizeBytes - (this.#leftBytes > ROUNDING_BYTES ? this.#leftBytes : 0)
    shareAnew(this.from, this.to, clock)
  }

  /** Goes on at the rate that it was given. */
  run(clock: Clock): void {
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
  const changed = new Set<Flow>()
  const dirty = new Set<Link>([from])
  // Whoever sends to a receiver with room to spare is held back by its own link only.
  if (to.isNearlyFull) for (const flow of to.receiving) dirty.add(flow.from)
  let steps = 0
  for (const link of dirty) {
    dirty.delete(link)
    for (const overfull of shareUplink(link, changed)) {
      for (const flow of overfull.receiving) if (flow.bytesPerSecond > overfull.fairShareOfDown) dirty.add(flow.from)
    }
    if (++steps === MAX_STEPS) break
  }
  for (const flow of changed) flow.run(clock)
}

/** Shares what leaves `link`: evenly, but what a receiver cannot take goes to the other flows. Returns receivers that have too much now. */
function shareUplink(link: Link, changed: Set<Flow>): Link[] {
  const overfull: Link[] = []
  let leftBytesPerSecond = link.rates.upBytesPerSecond
  let leftFlows = link.sending.size
  for (const [flow, most] of byDemand(link)) {
    const rate = Math.min(most, leftBytesPerSecond / leftFlows--)
    leftBytesPerSecond -= rate
    if (Math.abs(rate - flow.bytesPerSecond) <= SAME_RATE * rate) continue
    flow.to.inBytesPerSecond += rate - flow.bytesPerSecond
    flow.bytesPerSecond = rate
    changed.add(flow)
    if (flow.to.isOverfull) overfull.push(flow.to)
  }
  return overfull
}

function byDemand({ sending }: Link): [Flow, number][] {
  const flows: [Flow, number][] = []
  for (const flow of sending) flows.push([flow, flow.mostBytesPerSecond])
  return flows.length > 1 ? flows.sort((a, b) => a[1] - b[1]) : flows
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
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const flow = new Flow(clock, from, to, bytes, resolve)
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    flow.end(clock)
    signal?.removeEventListener('abort', onAbort)
  }
  await delay(clock, latencyMs, signal)
}

/** A wait that is over this soon is not worth being cut short. */
const SHORT_MS = 5

/** Virtual sleep; rejects with the signal's reason, at its end at the latest. */
export async function delay(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = clock.after(ms, resolve)
  if (ms <= SHORT_MS) {
    await promise
    return signal?.throwIfAborted()
  }
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    timer.clear()
    signal?.removeEventListener('abort', onAbort)
  }
}
