import { Command } from 'commander'
import { AdminClient, DEFAULT_ADMIN_URL } from '../admin-client.ts'
import type { CommandContext } from '../context.ts'
import { onInterrupt } from '../interrupt.ts'
import { limitsText, parseAssignments } from '../limits-text.ts'

interface LimitsOptions {
  readonly admin?: string
  readonly json?: boolean
}

const EXPLANATION = `
A limit is DIRECTION.CLASS. Directions: upload is what is sent to peers, download what is taken from peers and
trackers, origin what is read from registries. Classes: lazy is readers that wait for just these bytes, pull is
containerd pulling an image, background is shoal pull and prefetch; total is all three. While lazy waits no pull goes, and while
a pull waits no background does. Rates: 50MiB/s, 800mbit, unlimited.`

/** `shoal limits [show] | set`. */
export function limitsCommand(context: CommandContext): Command {
  const command = new Command('limits')
    .summary('show and change bandwidth limits of a running agent or tracker')
    .description(
      'Shows and changes how many bytes a second a running agent or tracker moves. A change is in force at once and until the process ends; what is to stay goes under limits: in the configuration.',
    )
    .addHelpText(
      'after',
      `${EXPLANATION}

Examples:
  shoal limits
  shoal limits set upload.total=50MiB/s origin.background=1MiB/s
  shoal limits set upload.total=unlimited`,
    )
  command.addCommand(showCommand(context), { isDefault: true })
  command.addCommand(setCommand(context))
  return command
}

function showCommand(context: CommandContext): Command {
  return withAdmin(new Command('show'))
    .summary('show the limits in force (also without "show")')
    .action(async (options: LimitsOptions) => {
      using interrupt = onInterrupt()
      const limits = await clientFor(options, context).limits(interrupt)
      context.terminal.out(options.json === true ? `${JSON.stringify(limits)}\n` : limitsText(limits, context.terminal))
    })
}

function setCommand(context: CommandContext): Command {
  return withAdmin(new Command('set'))
    .summary('change limits while the agent runs')
    .description('Changes the limits that are named, all of them or none; the others stay as they are.')
    .argument('<limit=rate...>', 'such as upload.total=50MiB/s')
    .addHelpText(
      'after',
      `${EXPLANATION}

Examples:
  shoal limits set upload.total=400mbit
  shoal limits set download.background=10MiB/s origin.total=100MiB/s
  shoal limits set upload.total=unlimited --admin http://10.0.0.5:5080`,
    )
    .action(async (assignments: string[], options: LimitsOptions) => {
      using interrupt = onInterrupt()
      const limits = await clientFor(options, context).changeLimits(parseAssignments(assignments), interrupt)
      if (options.json === true) return context.terminal.out(`${JSON.stringify(limits)}\n`)
      context.terminal.out(
        `${limitsText(limits, context.terminal)}in force now and until the process ends; to keep it, put it under limits: in its configuration\n`,
      )
    })
}

function withAdmin(command: Command): Command {
  return command
    .option('--admin <url>', `admin address of the agent (default: SHOAL_ADMIN_URL or ${DEFAULT_ADMIN_URL})`)
    .option('--json', 'print the limits in force as JSON')
}

function clientFor({ admin }: LimitsOptions, { env }: CommandContext): AdminClient {
  return new AdminClient(admin ?? (env.SHOAL_ADMIN_URL || DEFAULT_ADMIN_URL))
}
