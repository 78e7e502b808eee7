import { type Clock, systemClock, type Timer } from '../../core/index.ts'
import { formatBytes } from './format.ts'
import { type Progress, progressLine } from './progress-bar.ts'
import type { Terminal } from './terminal.ts'

/** Ten pictures a second look like motion and cost nothing. */
const REDRAW_MS = 100

/**
 * Several progress bars, one under the other, drawn over themselves on a terminal. Elsewhere each transfer gets one plain
 * line when it is complete. Call `stop` when done: it draws the last state and ends the lines.
 */
export class ProgressBoard {
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #entries = new Map<string, Progress>()
  #timer: Timer | undefined
  #drawnLines = 0

  constructor(terminal: Terminal, clock: Clock = systemClock) {
    this.#terminal = terminal
    this.#clock = clock
  }

  /** Adds or moves the bar `id`. */
  set(id: string, progress: Progress): void {
    const wasComplete = isComplete(this.#entries.get(id))
    this.#entries.set(id, progress)
    if (this.#terminal.isInteractive) {
      this.#timer ??= this.#clock.after(REDRAW_MS, () => this.#redraw())
    } else if (isComplete(progress) && !wasComplete) {
      const note = progress.note === undefined ? '' : `  ${progress.note}`
      this.#terminal.out(`${progress.label}  ${formatBytes(progress.totalBytes)}  done${note}\n`)
    }
  }

  /** Takes the bar `id` away. */
  remove(id: string): void {
    if (this.#entries.delete(id) && this.#terminal.isInteractive) {
      this.#timer ??= this.#clock.after(REDRAW_MS, () => this.#redraw())
    }
  }

  /** Writes a line above the bars. */
  log(line: string): void {
    if (this.#terminal.isInteractive) this.#terminal.out(this.#upAndClear())
    this.#terminal.out(`${line}\n`)
    this.#drawnLines = 0
    if (this.#terminal.isInteractive && this.#entries.size > 0) this.#redraw()
  }

  stop(): void {
    if (this.#terminal.isInteractive && this.#entries.size > 0) this.#redraw()
    this.#timer?.clear()
    this.#timer = undefined
    this.#drawnLines = 0
  }

  #redraw(): void {
    this.#timer?.clear()
    this.#timer = undefined
    const lines = this.#lines()
    this.#terminal.out(`${this.#upAndClear()}${lines.map((line) => `${line}\n`).join('')}`)
    this.#drawnLines = lines.length
  }

  /** Unfinished ones last, nearest to where the eye is; what does not fit on the screen is counted. */
  #lines(): string[] {
    const { rows, columns } = this.#terminal
    const room = Math.max(rows - 2, 1)
    const entries = [...this.#entries.values()].toSorted((a, b) => Number(isComplete(b)) - Number(isComplete(a)))
    const hidden = Math.max(entries.length - room, 0)
    const lines = entries.slice(hidden).map((entry) => progressLine(entry, columns))
    return hidden === 0 ? lines : [`… and ${hidden} more`, ...lines]
  }

  /** ECMA-48: cursor up, then erase from there to the end of the screen. */
  #upAndClear(): string {
    return this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}A\u001b[0J`
  }
}

function isComplete(progress: Progress | undefined): boolean {
  return progress !== undefined && progress.totalBytes > 0 && progress.doneBytes >= progress.totalBytes
}
