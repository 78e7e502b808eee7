/** Zones told apart; a cluster has a handful, and what peers say of themselves must not fill the memory. */
const MAX_ZONES = 64

/** What the bytes of all further zones are counted under. */
const OTHER_ZONES = 'other'

/** Adds up verified bytes by the zone of the peer that sent them; '' is those that do not say. */
export class ZoneLedger {
  readonly #bytes = new Map<string, number>()

  add(zone: string, bytes: number): void {
    const key = this.#bytes.has(zone) || this.#bytes.size < MAX_ZONES ? zone : OTHER_ZONES
    this.#bytes.set(key, (this.#bytes.get(key) ?? 0) + bytes)
  }

  get total(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#bytes)
  }
}
