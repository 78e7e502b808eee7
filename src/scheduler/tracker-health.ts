/**
 * Which trackers were last found silent, for all downloads of this process: what one of them waited for in vain the next
 * ones do not wait for again. A tracker is asked all the same, and its first word makes it good again.
 */
export class TrackerHealth {
  readonly #silent = new Set<string>()

  isSilent(id: string): boolean {
    return this.#silent.has(id)
  }

  fellSilent(id: string): void {
    this.#silent.add(id)
  }

  heard(id: string): void {
    this.#silent.delete(id)
  }
}
