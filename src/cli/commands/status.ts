import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { AdminClient, DEFAULT_ADMIN_URL } from '../admin-client.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { onInterrupt } from '../interrupt.ts'
import { statusText } from '../status-text.ts'

/** Once a second is as fast as people read. */
const WATCH_INTERVAL_MS = 1000

/** ECMA-48: cursor home, erase to the end of the screen. */
const CLEAR_SCREEN = '\u001b[H\u001b[0J'

interface StatusOptions {
  readonly admin?: string
  readonly json?: boolean
  readonly watch?: boolean
}

/** `shoal status`. */
export function statusCommand(context: CommandContext): Command {
  return new Command('status')
    .summary('show what an agent or tracker is doing')
    .description(
      'Shows readiness, peers, layers and where the bytes came from. Exits with 1 when the agent is not ready.',
    )
    .option('--admin <url>', `admin address of the agent (default: SHOAL_ADMIN_URL or ${DEFAULT_ADMIN_URL})`)
    .option('--json', 'print the answer as JSON')
    .option('-w, --watch', 'show it anew every second until interrupted')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal status\n  shoal status --watch\n  shoal status --json | jq .bytesBySource',
    )
    .action(async (options: StatusOptions) => {
      const client = new AdminClient(options.admin ?? (context.env.SHOAL_ADMIN_URL || DEFAULT_ADMIN_URL))
      using interrupt = onInterrupt()
      await (options.watch === true
        ? watch(client, options, context, interrupt.signal)
        : once(client, options, context, interrupt.signal))
    })
}

async function once(
  client: AdminClient,
  options: StatusOptions,
  context: CommandContext,
  signal: AbortSignal,
): Promise<void> {
  const view = await client.status({ signal })
  context.terminal.out(options.json === true ? `${JSON.stringify(view)}\n` : statusText(view, context.terminal))
  if (!view.ready.ok) context.setExitCode(EXIT.failure)
}

async function watch(
  client: AdminClient,
  options: StatusOptions,
  context: CommandContext,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const view = await client.status({ signal })
    const text = options.json === true ? `${JSON.stringify(view)}\n` : `${statusText(view, context.terminal)}\n`
    context.terminal.out(context.terminal.isInteractive ? CLEAR_SCREEN + text : text)
    await sleep(WATCH_INTERVAL_MS, undefined, { signal })
  }
}
