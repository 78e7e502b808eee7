/** Chunks read before a trace is judged: a start may begin with some that depend on the node. */
const JUDGED_READS = 5

/** Whether a trace foretells what is read. One that is of another use of the image, or a lie, would only stand in the way. */
export class Foresight {
  readonly #foretold: ReadonlySet<number>
  readonly #read = new Set<number>()
  #rightCount = 0

  constructor(foretold: Iterable<number>) {
    this.#foretold = new Set(foretold)
  }

  /** A reader asks for `chunk`; false once most of what was read had not been foretold. */
  isRightAfter(chunk: number): boolean {
    if (!this.#read.has(chunk) && this.#foretold.has(chunk)) this.#rightCount++
    this.#read.add(chunk)
    return this.#read.size < JUDGED_READS || this.#rightCount * 2 >= this.#read.size
  }
}
