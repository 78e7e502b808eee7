import { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { UsageError } from '../errors.ts'
import type { Terminal } from '../terminal/index.ts'

interface KeygenOptions {
  readonly clusterKey?: string
  readonly identity?: string
  readonly json?: boolean
}

interface KeygenResult {
  readonly clusterKey?: { readonly file: string; readonly isNew: boolean }
  readonly identity?: { readonly file: string; readonly isNew: boolean; readonly peerId: string }
}

/** `shoal keygen`. */
export function keygenCommand(context: CommandContext): Command {
  return new Command('keygen')
    .summary('create the cluster key and the identity of a tracker')
    .description(
      'Creates the files that are missing and never overwrites one. The cluster key is shared by all nodes: make it once and copy it. An identity belongs to one process; its PeerId is what others pin a tracker by. Agents make their own on first start.',
    )
    .option('--cluster-key <file>', 'file for the cluster key')
    .option('--identity <file>', 'file for the identity')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal keygen --cluster-key cluster.key\n  shoal keygen --identity tracker.key\n\nNext: give every node the cluster key (cluster.keyFile), and agents the tracker\nas trackers: ["/ip4/ADDRESS/tcp/5001/p2p/PEERID"].',
    )
    .action(async (options: KeygenOptions) => {
      if (options.clusterKey === undefined && options.identity === undefined) {
        throw new UsageError('say which: --cluster-key FILE, --identity FILE or both')
      }
      const result = await createKeys(options)
      if (options.json === true) context.terminal.out(`${JSON.stringify(result)}\n`)
      else explain(result, context.terminal)
    })
}

async function createKeys({ clusterKey, identity }: KeygenOptions): Promise<KeygenResult> {
  return {
    ...(clusterKey === undefined ? {} : { clusterKey: await createClusterKey(clusterKey) }),
    ...(identity === undefined ? {} : { identity: await createIdentity(identity) }),
  }
}

/** An existing file is read, so that a damaged one is noticed now and not on the nodes. */
async function createClusterKey(file: string): Promise<NonNullable<KeygenResult['clusterKey']>> {
  const p2p = await import('../../p2p/index.ts')
  try {
    await p2p.saveClusterKey(file, p2p.generateClusterKey())
    return { file, isNew: true }
  } catch (error) {
    if (!(error instanceof p2p.KeyFileError) || error.problem !== 'exists') throw error
    await p2p.loadClusterKey(file)
    return { file, isNew: false }
  }
}

async function createIdentity(file: string): Promise<NonNullable<KeygenResult['identity']>> {
  const p2p = await import('../../p2p/index.ts')
  const identity = await p2p.generateIdentity()
  try {
    await p2p.saveIdentity(file, identity)
    return { file, isNew: true, peerId: p2p.peerIdOf(identity) }
  } catch (error) {
    if (!(error instanceof p2p.KeyFileError) || error.problem !== 'exists') throw error
    return { file, isNew: false, peerId: p2p.peerIdOf(await p2p.loadIdentity(file)) }
  }
}

function explain({ clusterKey, identity }: KeygenResult, terminal: Terminal): void {
  if (clusterKey !== undefined)
    terminal.out(`cluster key  ${clusterKey.file}  ${clusterKey.isNew ? 'created' : 'was there, unchanged'}\n`)
  if (identity === undefined) return
  terminal.out(`identity     ${identity.file}  ${identity.isNew ? 'created' : 'was there, unchanged'}\n`)
  terminal.out(`PeerId       ${identity.peerId}\n`)
}
