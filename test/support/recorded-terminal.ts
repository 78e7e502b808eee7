import { stripVTControlCharacters } from 'node:util'
import type { Style, Terminal } from '../../src/cli/terminal/index.ts'

/** Keeps what is written. Nobody watches and there is no colour. */
export class RecordedTerminal implements Terminal {
  output = ''
  errors = ''
  readonly isInteractive: boolean
  readonly columns: number
  readonly rows: number

  constructor(init: { readonly isInteractive?: boolean; readonly columns?: number; readonly rows?: number } = {}) {
    this.isInteractive = init.isInteractive ?? false
    this.columns = init.columns ?? 80
    this.rows = init.rows ?? 24
  }

  out(text: string): void {
    this.output += text
  }

  err(text: string): void {
    this.errors += text
  }

  paint(_style: Style, text: string): string {
    return text
  }

  /** What was written to `out` without the sequences that move the cursor. */
  get plainOutput(): string {
    return stripVTControlCharacters(this.output)
  }
}
