import type { Terminal } from './terminal/index.ts'

/** What every command is given of the world outside. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Sets the exit code of a command that ends well but not with success. */
  setExitCode(code: number): void
}
