import { Command } from 'commander'
import { configReference, printConfig } from '../../config/index.ts'
import type { PeerRole } from '../../core/index.ts'
import type { CommandContext } from '../context.ts'
import { UsageError } from '../errors.ts'
import { referenceText } from '../reference-text.ts'
import { addSettingFlags, sourcesFrom } from '../setting-flags.ts'

/** `shoal config`. */
export function configCommand(context: CommandContext): Command {
  const command = new Command('config')
    .summary('check the configuration and print what is in force')
    .description(
      'Prints every setting with its value and where it came from, secrets hidden. Exits with 2 when something is wrong. Starts nothing.',
    )
    .option('--role <role>', 'agent or tracker: their defaults differ', 'agent')
    .option('--reference', 'print all settings there are, as a Markdown table')
    .option('--print', 'print the configuration (what is done anyway)')
  return addSettingFlags(command).action((options: { role: string; reference?: boolean }) => {
    if (options.reference === true) context.terminal.out(referenceText(configReference()))
    else context.terminal.out(printConfig(sourcesFrom(command, checkRole(options.role), context.env)))
  })
}

function checkRole(role: string): PeerRole {
  if (role === 'agent' || role === 'tracker') return role
  throw new UsageError(`--role is agent or tracker, not ${JSON.stringify(role)}`)
}
