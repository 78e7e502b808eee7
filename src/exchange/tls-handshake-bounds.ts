/** Counts handshakes under way, in all and by the host they come from, so that no stranger takes every place. */
export class HandshakeBounds {
  readonly #maxTotal: number
  readonly #maxPerHost: number
  readonly #countByHost = new Map<string, number>()
  #total = 0

  constructor(maxTotal: number, maxPerHost: number) {
    this.#maxTotal = maxTotal
    this.#maxPerHost = maxPerHost
  }

  get total(): number {
    return this.#total
  }

  /** Takes a place; returns what gives it back, once however often it is called, or `undefined` when there is none. */
  enter(host: string): (() => void) | undefined {
    const count = this.#countByHost.get(host) ?? 0
    if (this.#total >= this.#maxTotal || count >= this.#maxPerHost) return undefined
    this.#total += 1
    this.#countByHost.set(host, count + 1)
    let isInside = true
    return () => {
      if (isInside) this.#leave(host)
      isInside = false
    }
  }

  #leave(host: string): void {
    this.#total -= 1
    const count = (this.#countByHost.get(host) ?? 1) - 1
    if (count > 0) this.#countByHost.set(host, count)
    else this.#countByHost.delete(host)
  }
}
