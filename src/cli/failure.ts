import { CommanderError } from 'commander'
import { isAbort, ShoalError } from '../core/index.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import type { Terminal } from './terminal/index.ts'

/** What to try next, by the code of the error: its class may belong to a module that this command did not need to load. */
const HINTS: Readonly<Record<string, string>> = {
  ADMIN_UNREACHABLE:
    'is it running? Start it with: shoal agent. If it listens elsewhere: --admin URL or SHOAL_ADMIN_URL',
  CONFIG_INVALID: 'see all settings with: shoal config --reference',
  CONTAINERD_EDITED: 'nothing was changed; --force overwrites what was edited',
  INVALID_CLUSTER_KEY: 'create one with: shoal keygen --cluster-key FILE',
  KEY_FILE_MISSING: 'create it with: shoal keygen --cluster-key FILE (the same key on every node)',
}

/** Errors of whoever typed the command or wrote the configuration. */
const USAGE_CODES: ReadonlySet<string> = new Set(['CLI_USAGE', 'CONFIG_INVALID', 'CONTAINERD_REQUEST'])

/** Says in one line (or one per problem) what went wrong and what to do, and gives the exit code. Stacks are for crashes only. */
export function reportFailure(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (isAbort(error)) return EXIT.interrupted
  if (!(error instanceof ShoalError)) {
    terminal.err(`shoal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return EXIT.failure
  }
  for (const line of error.message.split('\n')) terminal.err(`shoal: ${line}\n`)
  const hint = HINTS[error.code]
  if (hint !== undefined) terminal.err(`  ${hint}\n`)
  return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failure
}
