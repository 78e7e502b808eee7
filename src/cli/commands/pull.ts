import { Command } from 'commander'
import { AdminClient, DEFAULT_ADMIN_URL } from '../admin-client.ts'
import type { CommandContext } from '../context.ts'
import { AdminRefusedError } from '../errors.ts'
import { onInterrupt } from '../interrupt.ts'
import type { PullEvent } from '../pull-event.ts'
import { shortDigest, sources } from '../status-text.ts'
import { formatBytes, formatDuration, ProgressBoard, type Terminal } from '../terminal/index.ts'

interface PullOptions {
  readonly admin?: string
  readonly platform?: string
}

/** `shoal pull REF`. */
export function pullCommand(context: CommandContext): Command {
  return new Command('pull')
    .summary('have the agent fetch an image into its store ahead of time')
    .description(
      'Asks the running agent for all layers of an image and shows how they come in. A pull of the same image by containerd is then served from the node itself.',
    )
    .argument('<reference>', 'image, such as docker.io/library/nginx:1.27 or quay.io/app@sha256:…')
    .option('--admin <url>', `admin address of the agent (default: SHOAL_ADMIN_URL or ${DEFAULT_ADMIN_URL})`)
    .option('--platform <os/arch>', "platform to take of a multi-platform image (default: the agent's own)")
    .addHelpText(
      'after',
      '\nExamples:\n  shoal pull docker.io/library/nginx:1.27\n  shoal pull ghcr.io/org/app:v2 --platform linux/arm64',
    )
    .action(async (reference: string, options: PullOptions) => {
      const client = new AdminClient(options.admin ?? (context.env.SHOAL_ADMIN_URL || DEFAULT_ADMIN_URL))
      using interrupt = onInterrupt()
      await showPull(client.pull(reference, options.platform, interrupt), context.terminal)
    })
}

/** Shows events as they come; throws an AdminRefusedError when the agent fails or stops without saying that it is done. */
export async function showPull(events: AsyncIterable<PullEvent>, terminal: Terminal): Promise<void> {
  const board = new ProgressBoard(terminal)
  let done: (PullEvent & { type: 'done' }) | undefined
  try {
    for await (const event of events) {
      if (event.type === 'error') throw new AdminRefusedError(event.message)
      if (event.type === 'done') done = event
      else if (event.type === 'layer') board.set(event.digest, layerProgress(event))
      else board.log(`${event.reference}@${event.digest}: ${event.layers} layers, ${formatBytes(event.sizeBytes)}`)
    }
  } finally {
    board.stop()
  }
  if (done === undefined) throw new AdminRefusedError('the agent hung up before the image was complete')
  terminal.out(`done in ${formatDuration(done.seconds)}\n\n${sources(done.bytesBySource, terminal)}`)
}

function layerProgress(event: PullEvent & { type: 'layer' }) {
  const { digest, sizeBytes, heldBytes, isComplete } = event
  return { label: shortDigest(digest), doneBytes: isComplete ? sizeBytes : heldBytes, totalBytes: sizeBytes }
}
