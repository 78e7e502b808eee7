import { Command } from 'commander'
import { parseDuration } from '../../config/index.ts'
import { parsePlatform } from '../../oci/index.ts'
import { AdminClient, DEFAULT_ADMIN_URL } from '../admin-client.ts'
import type { CommandContext } from '../context.ts'
import { AdminRefusedError, UsageError } from '../errors.ts'
import { EXIT } from '../exit-code.ts'
import { onInterrupt } from '../interrupt.ts'
import type { PrefetchEvent } from '../prefetch-event.ts'
import { countsText, failuresText, parseNodes, progressText } from '../prefetch-text.ts'
import { sources } from '../status-text.ts'
import { formatDuration, ProgressBoard, shorten, type Terminal } from '../terminal/index.ts'

interface PrefetchOptions {
  readonly admin?: string
  readonly nodes: string
  readonly platform?: string
  readonly timeout: string
  readonly detach?: boolean
  readonly json?: boolean
}

const EXPLANATION = `
Any agent or tracker can be asked. It resolves the tag once and tells some nodes, which tell others; each node pulls with
its own registry settings and credentials, after everything that somebody waits for. Nodes that hold the image already
count as done. One agent alone: shoal pull.

  --nodes all        every agent that can be reached
  --nodes 20         20 agents that answer, the same ones each time; when there are fewer, all of them, and exit code 1
  --nodes zone=z1    the agents whose setting "zone" is z1

Ctrl-C cancels it on all nodes. With --detach the command returns at once and shoal status shows how it goes.

Exit codes: 0 all of them hold the image, 1 some do not (it says which, and why), 2 wrong usage.

Examples:
  shoal prefetch ghcr.io/org/app:v2
  shoal prefetch ghcr.io/org/app:v2 --nodes zone=eu-west-1a --timeout 20m
  shoal prefetch ghcr.io/org/app:v2 --nodes 3 && kubectl set image deployment/app app=ghcr.io/org/app:v2
  shoal prefetch ghcr.io/org/app:v2 --json | jq -c 'select(.type == "done") | .failures'`

/** `shoal prefetch REF`. */
export function prefetchCommand(context: CommandContext): Command {
  return new Command('prefetch')
    .summary('have many agents fetch an image ahead of a roll-out')
    .description(
      'Has the agents of the cluster fetch an image into their stores, from each other and once from the registry, and shows how far they are.',
    )
    .argument('<reference>', 'image, such as docker.io/library/nginx:1.27 or quay.io/app@sha256:…')
    .option('--nodes <which>', 'all, a number, or zone=NAME', 'all')
    .option(
      '--platform <os/arch>',
      'platform to take of a multi-platform image, os/arch[/variant] (default: that of each node)',
    )
    .option('--timeout <duration>', 'what is not done by then has failed; at most 24h', '1h')
    .option('--detach', 'do not wait: it goes on without this command')
    .option('--json', 'print what happens as JSON, one object a line')
    .option('--admin <url>', `admin address of an agent or tracker (default: SHOAL_ADMIN_URL or ${DEFAULT_ADMIN_URL})`)
    .addHelpText('after', EXPLANATION)
    .action(async (reference: string, options: PrefetchOptions) => {
      const request = requestOf(reference, options)
      const client = new AdminClient(options.admin ?? (context.env.SHOAL_ADMIN_URL || DEFAULT_ADMIN_URL))
      using interrupt = onInterrupt()
      const events = client.prefetch(request, interrupt)
      const isJson = options.json === true
      const last = isJson ? await printLines(events, context.terminal) : await show(events, context.terminal)
      if (last?.type === 'done') {
        if (!last.isComplete) context.setExitCode(EXIT.failure)
      } else if (last?.type !== 'resolved' || options.detach !== true) {
        throw new AdminRefusedError('the agent hung up before the nodes were done')
      } else if (!isJson) {
        context.terminal.out(`goes on as ${last.id}, for ${options.timeout} at most: see shoal status\n`)
      }
    })
}

function requestOf(reference: string, { nodes, platform, timeout, detach }: PrefetchOptions): object {
  if (platform !== undefined && parsePlatform(platform) === undefined) {
    throw new UsageError(`--platform ${JSON.stringify(platform)}: say os/arch[/variant], such as linux/arm64`)
  }
  if (!((parseDuration(timeout) ?? 0) > 0)) {
    throw new UsageError(`--timeout ${JSON.stringify(timeout)}: say a time, such as 30m`)
  }
  const request = { reference, nodes: parseNodes(nodes), timeout, detach: detach === true }
  return platform === undefined ? request : { ...request, platform }
}

/** Gives the last event; throws an AdminRefusedError when the agent says that it failed as a whole. */
async function printLines(
  events: AsyncIterable<PrefetchEvent>,
  terminal: Terminal,
): Promise<PrefetchEvent | undefined> {
  let last: PrefetchEvent | undefined
  for await (const event of events) {
    terminal.out(`${JSON.stringify(event)}\n`)
    if (event.type === 'error') throw new AdminRefusedError(event.message)
    last = event
  }
  return last
}

/** The same for people. */
async function show(events: AsyncIterable<PrefetchEvent>, terminal: Terminal): Promise<PrefetchEvent | undefined> {
  const board = new ProgressBoard(terminal)
  let last: PrefetchEvent | undefined
  let said = ''
  try {
    for await (const event of events) {
      if (event.type === 'error') throw new AdminRefusedError(event.message)
      last = event
      if (event.type === 'resolved') board.log(event.reference)
      else if (terminal.isInteractive) draw(event, board)
      else if (event.type === 'progress' && countsText(event.nodes) !== said) {
        said = countsText(event.nodes)
        terminal.out(`${progressText(event)}\n`)
      }
    }
  } finally {
    board.stop()
  }
  if (last?.type === 'done') sayDone(last, terminal)
  return last
}

function draw(event: PrefetchEvent & { type: 'progress' | 'done' }, board: ProgressBoard): void {
  const { nodes, heldBytes, sizeBytes, slowest } = event
  board.set('nodes', { label: 'all    ', doneBytes: heldBytes, totalBytes: sizeBytes, note: countsText(nodes) })
  if (slowest === undefined) board.remove('slowest')
  else {
    const progress = { doneBytes: slowest.heldBytes, totalBytes: slowest.sizeBytes, note: shorten(slowest.name, 32) }
    board.set('slowest', { label: 'slowest', ...progress })
  }
}

function sayDone(done: PrefetchEvent & { type: 'done' }, terminal: Terminal): void {
  const how = done.isComplete ? 'done' : 'ended'
  terminal.out(`${how} in ${formatDuration(done.seconds)}: ${countsText(done.nodes)}\n\n`)
  terminal.out(sources(done.bytesBySource, terminal, 'held before'))
  terminal.err(failuresText(done, terminal))
}
