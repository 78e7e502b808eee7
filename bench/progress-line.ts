import { bar, type Terminal } from '../src/cli/terminal/index.ts'

/** Columns of the bar; with a text of usual length the line stays under 80. */
const BAR_WIDTH = 20

/** What is going on, on standard error: one line drawn over itself on a terminal, elsewhere a line for each new text. */
export class ProgressLine {
  readonly #terminal: Terminal
  #text = ''
  #isDrawn = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Shows `text`, with a bar when it is known how much is done (0 to 1). */
  set(text: string, doneShare?: number): void {
    const isNew = text !== this.#text
    if (isNew) this.stop()
    this.#text = text
    if (!this.#terminal.isInteractive) {
      if (isNew) this.#terminal.err(`${text}\n`)
      return
    }
    const line = doneShare === undefined ? text : `${text}  ${bar(doneShare, BAR_WIDTH)}`
    // ECMA-48: back to the first column, then erase to the end of the line.
    this.#terminal.err(
      `\r\u001b[K${Array.from(line)
        .slice(0, this.#terminal.columns - 1)
        .join('')}`,
    )
    this.#isDrawn = true
  }

  /** Ends the line, so that what comes next starts on one of its own. */
  stop(): void {
    if (this.#isDrawn) this.#terminal.err('\n')
    this.#isDrawn = false
    this.#text = ''
  }
}
