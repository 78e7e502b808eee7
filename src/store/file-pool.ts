/** A thing whose open handles may be closed while nobody uses them. */
export interface Closable {
  closeHandles(): Promise<void>
}

/** Blobs whose files stay open while unused; opening costs as much as a read of 64 KiB, and each one holds two descriptors. */
const MAX_IDLE = 32

/** Keeps the files of recently used blobs open and closes the longest unused ones. Owns the closing in the background. */
export class FilePool {
  readonly #idle = new Set<Closable>()
  readonly #busy = new Set<Closable>()
  readonly #closing = new Set<Promise<void>>()
  #isClosed = false
  #whenNoneBusy: (() => void) | undefined

  /** Whether files may no longer be opened. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  markBusy(files: Closable): void {
    this.#idle.delete(files)
    this.#busy.add(files)
  }

  markIdle(files: Closable): void {
    this.#idle.add(files)
    const [oldest] = this.#idle
    if (this.#idle.size > (this.#isClosed ? 0 : MAX_IDLE) && oldest !== undefined) this.close(oldest)
    this.#rested(files)
  }

  /** Closes now, without waiting. */
  close(files: Closable): void {
    this.#idle.delete(files)
    const closing: Promise<void> = files
      .closeHandles()
      .catch(() => {})
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
    this.#rested(files)
  }

  /** Waits until nothing is in use, then closes everything. */
  async closeAll(): Promise<void> {
    this.#isClosed = true
    for (const files of [...this.#idle]) this.close(files)
    if (this.#busy.size > 0) await new Promise<void>((resolve) => (this.#whenNoneBusy = resolve))
    while (this.#closing.size > 0) await Promise.all(this.#closing)
  }

  #rested(files: Closable): void {
    this.#busy.delete(files)
    if (this.#busy.size === 0) this.#whenNoneBusy?.()
  }
}
