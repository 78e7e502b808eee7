/** A chunk that takes longer than this from asking to having it is on its way for too long to be passed on soon. */
const TARGET_MS = 400

/**
 * Chunks that may always be in flight. A wave over 100 Mbit/s links took 1.11 times the ideal with eight and 1.38 with
 * four: with fewer some uplink has nothing to send while another has a queue.
 */
const MIN_CHUNKS = 8

/** What is left of the window when most chunks of a round took too long: as CUBIC (RFC 9438), which backs off to 0.7. */
const BACK_OFF = 0.7

export interface WindowShareInit {
  readonly chunkBytes: number
  /** There is room again for one that had too little. */
  readonly onRoom: () => void
}

/**
 * How much all downloads of this process may have asked of agents and not got yet: as much as their links carry in
 * `TARGET_MS`. Grows while it is full and chunks come quickly, shrinks when most of a round are slow (AIMD). A chunk that
 * is long on its way cannot be relayed meanwhile, and waits in the queue of a peer that may not be the best one any more.
 * Downloads share it evenly; what one leaves others may have.
 */
export class TransferWindow {
  readonly #maxBytes: number
  readonly #shares = new Set<WindowShare>()
  #sizeBytes = 0
  #usedBytes = 0
  #isStarting = true
  #wasFull = false
  #roundBytes = 0
  #quickCount = 0
  #slowCount = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get sizeBytes(): number {
    return Math.max(this.#sizeBytes, this.#minBytes)
  }

  /** Adds a download, until its share is closed. */
  join(init: WindowShareInit): WindowShare {
    const share = new WindowShare(this, init)
    this.#shares.add(share)
    return share
  }

  /** For shares only. */
  leave(share: WindowShare): void {
    if (!this.#shares.delete(share)) return
    this.changed(-share.usedBytes)
  }

  /** For shares only: `bytes` more are in use, or less. */
  changed(bytes: number): void {
    this.#usedBytes += bytes
    if (bytes < 0) this.#tellNext()
  }

  /** What `share` may add: anything up to an even part, beyond it what nobody lacks, and one chunk in any case. */
  freeFor(share: WindowShare): number {
    const least = share.usedBytes === 0 ? share.chunkBytes : 0
    const freeBytes = this.sizeBytes - this.#usedBytes
    if (freeBytes < share.chunkBytes) this.#wasFull = true
    const isOverdrawn = share.usedBytes >= this.#evenBytes && this.#isLacking(share)
    return Math.max(least, isOverdrawn ? 0 : freeBytes)
  }

  /** A chunk has come that was asked for `tookMs` ago. */
  arrived(bytes: number, tookMs: number): void {
    const isQuick = tookMs <= TARGET_MS
    if (isQuick) this.#quickCount++
    else this.#slowCount++
    if (isQuick && this.#wasFull)
      this.#resize(this.sizeBytes + (this.#isStarting ? bytes : bytes ** 2 / this.sizeBytes))
    this.#roundBytes += bytes
    if (this.#roundBytes >= this.sizeBytes) this.#endRound()
  }

  #endRound(): void {
    if (this.#slowCount > this.#quickCount) {
      this.#isStarting = false
      this.#resize(this.sizeBytes * BACK_OFF)
    }
    this.#roundBytes = this.#quickCount = this.#slowCount = 0
    this.#wasFull = false
  }

  #resize(bytes: number): void {
    this.#sizeBytes = Math.min(this.#maxBytes, Math.max(this.#minBytes, bytes))
  }

  get #minBytes(): number {
    let chunkBytes = 0
    for (const share of this.#shares) chunkBytes = Math.max(chunkBytes, share.chunkBytes)
    return Math.min(this.#maxBytes, MIN_CHUNKS * chunkBytes)
  }

  get #evenBytes(): number {
    let active = 0
    for (const { usedBytes, isLacking } of this.#shares) if (usedBytes > 0 || isLacking) active++
    return this.sizeBytes / Math.max(1, active)
  }

  #isLacking(but: WindowShare): boolean {
    for (const share of this.#shares) if (share !== but && share.isLacking) return true
    return false
  }

  /** Tells the one that lacks room and has least. */
  #tellNext(): void {
    let next: WindowShare | undefined
    for (const share of this.#shares) {
      if (share.isLacking && (next === undefined || share.usedBytes < next.usedBytes)) next = share
    }
    next?.tell()
  }
}

/** One download's part of the window. */
export class WindowShare {
  readonly chunkBytes: number
  readonly #window: TransferWindow
  readonly #onRoom: () => void
  #usedBytes = 0
  #isLacking = false

  constructor(window: TransferWindow, { chunkBytes, onRoom }: WindowShareInit) {
    this.#window = window
    this.chunkBytes = chunkBytes
    this.#onRoom = onRoom
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** It would ask for more, were there room. */
  get isLacking(): boolean {
    return this.#isLacking
  }

  /** Chunks it may ask for now. */
  get freeChunks(): number {
    return Math.max(0, Math.floor(this.#window.freeFor(this) / this.chunkBytes))
  }

  /** Says whether a plan had to leave out for want of room what it would have asked for. */
  planned(isLacking: boolean): void {
    this.#isLacking = isLacking
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
    this.#window.changed(bytes)
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
    this.#window.changed(-bytes)
  }

  arrived(bytes: number, tookMs: number): void {
    this.#window.arrived(bytes, tookMs)
  }

  /** Lets go of what it has; does nothing the second time. */
  close(): void {
    this.#isLacking = false
    this.#window.leave(this)
    this.#usedBytes = 0
  }

  /** For the window only. */
  tell(): void {
    this.#isLacking = false
    this.#onRoom()
  }
}
