/**
 * Chunks in the order of how many copies of them are known, kept up to date in constant time: a copy more or less moves a
 * chunk over the border between two groups that lie side by side in one array.
 */
export class RarityOrder {
  readonly #copies: Uint16Array
  /** The chunks, those with fewer copies first, and where each of them stands. */
  readonly #order: Uint32Array
  readonly #placeOf: Uint32Array
  /** Where the chunks with at least so many copies begin; at 0 all do. */
  readonly #starts: number[] = [0]

  constructor(chunkCount: number) {
    this.#copies = new Uint16Array(chunkCount)
    this.#order = Uint32Array.from({ length: chunkCount }, (_, chunk) => chunk)
    this.#placeOf = Uint32Array.from(this.#order)
  }

  /** The most copies that any chunk has or had. */
  get mostCopies(): number {
    return this.#starts.length - 1
  }

  copiesOf(chunk: number): number {
    return this.#copies[chunk] ?? 0
  }

  add(chunk: number): void {
    const copies = this.#copies[chunk]
    if (copies === undefined) return
    // The last of its group, with the border before it instead of behind it.
    const border = this.#startOf(copies + 1) - 1
    this.#swap(chunk, border)
    this.#starts[copies + 1] = border
    this.#copies[chunk] = copies + 1
  }

  remove(chunk: number): void {
    const copies = this.#copies[chunk]
    if (copies === undefined || copies === 0) return
    const border = this.#startOf(copies)
    this.#swap(chunk, border)
    this.#starts[copies] = border + 1
    this.#copies[chunk] = copies - 1
  }

  /**
   * Visits the chunks with just `copies` copies, beginning at a random one: two that know the same do not all choose the same.
   * `visit` changes no copies; it ends the visits by returning true.
   */
  visitGroup(copies: number, random: () => number, visit: (chunk: number) => boolean): void {
    const start = this.#startOf(copies)
    const end = this.#startOf(copies + 1)
    if (start === end) return
    const first = start + Math.floor(random() * (end - start))
    for (let place = first; place < end; place++) if (visit(this.#order[place] as number)) return
    for (let place = start; place < first; place++) if (visit(this.#order[place] as number)) return
  }

  #startOf(copies: number): number {
    return this.#starts[copies] ?? this.#order.length
  }

  #swap(chunk: number, place: number): void {
    const [other, from] = [this.#order[place] as number, this.#placeOf[chunk] as number]
    this.#order[from] = other
    this.#placeOf[other] = from
    this.#order[place] = chunk
    this.#placeOf[chunk] = place
  }
}
