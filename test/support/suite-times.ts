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
  startMs: number
  endMs: number
}

/** Adds up the results of test files by suite, which is the folder below `test/` that a file is in. */
export class SuiteTimes {
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
    suite.startMs = Math.min(suite.startMs, suite.endMs - durationMs)
  }

  /** A line for each suite: from its first file's start to its last file's end, and the time of its files added up. */
  table(): string {
    const lines = ['', 'suite         files  passed  failed  skipped   elapsed      busy']
    for (const [name, suite] of this.#suites) {
      const counts = [suite.passed, suite.failed].map((count) => String(count).padStart(8)).join('')
      const times = [Math.max(0, suite.endMs - suite.startMs), suite.busyMs]
        .map((ms) => `${(ms / 1_000).toFixed(1)} s`.padStart(10))
        .join('')
      lines.push(
        `${name.padEnd(12)} ${String(suite.files).padStart(6)}${counts}${String(suite.skipped).padStart(9)}${times}`,
      )
    }
    return `${lines.join('\n')}\n\n`
  }

  #suite(file: string): SuiteTotals {
    const name = file.split('/')[1] ?? ''
    const known = this.#suites.get(name)
    if (known !== undefined) return known
    const fresh = { files: 0, passed: 0, failed: 0, skipped: 0, busyMs: 0, startMs: Number.POSITIVE_INFINITY, endMs: 0 }
    this.#suites.set(name, fresh)
    return fresh
  }
}
