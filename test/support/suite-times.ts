interface Counts {
  readonly passed: number
  readonly failed: number
  readonly cancelled: number
  readonly skipped: number
}

interface SuiteTotals {
  files: number
  passed: number
  failed: number
  skipped: number
  busyMs: number
  endMs: number
}

/** Adds up the results of test files by suite, which is the folder below `test/` that a file is in. */
export class SuiteTimes {
  readonly #startMs = performance.now()
  readonly #suites = new Map<string, SuiteTotals>()

  constructor(files: readonly string[]) {
    for (const file of files) this.#suite(file).files += 1
  }

  /** Takes in the result of one file, named by its path from the project's folder. */
  finished(file: string, counts: Counts, durationMs: number): void {
    const suite = this.#suite(file)
    suite.passed += counts.passed
    suite.failed += counts.failed + counts.cancelled
    suite.skipped += counts.skipped
    suite.busyMs += durationMs
    suite.endMs = performance.now()
  }

  /** A line for each suite: time on the clock, and time of its files added up (two run at once). */
  table(): string {
    const lines = ['', 'suite         files  passed  failed  skipped   elapsed      busy']
    let beforeMs = this.#startMs
    for (const [name, suite] of this.#suites) {
      const endMs = Math.max(beforeMs, suite.endMs)
      const counts = [suite.passed, suite.failed].map((count) => String(count).padStart(8)).join('')
      const times = [endMs - beforeMs, suite.busyMs].map((ms) => `${(ms / 1_000).toFixed(1)} s`.padStart(10)).join('')
      lines.push(
        `${name.padEnd(12)} ${String(suite.files).padStart(6)}${counts}${String(suite.skipped).padStart(9)}${times}`,
      )
      beforeMs = endMs
    }
    return `${lines.join('\n')}\n\n`
  }

  #suite(file: string): SuiteTotals {
    const name = file.split('/')[1] ?? ''
    const known = this.#suites.get(name)
    if (known !== undefined) return known
    const fresh = { files: 0, passed: 0, failed: 0, skipped: 0, busyMs: 0, endMs: 0 }
    this.#suites.set(name, fresh)
    return fresh
  }
}
