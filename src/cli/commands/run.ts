import { Command } from 'commander'
import type { PeerRole } from '../../core/index.ts'
import { loadConfig } from '../../config/index.ts'
import type { CommandContext } from '../context.ts'
import { runProcess } from '../run-process.ts'
import { addSettingFlags, sourcesFrom } from '../setting-flags.ts'

/** `shoal agent`. */
export function agentCommand(context: CommandContext): Command {
  return runCommand('agent', context)
    .summary('run the agent of this node')
    .description(
      'Runs until SIGTERM or SIGINT, then finishes what clients are being sent (a second signal stops at once). Logs go to standard error.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  shoal agent --cluster-key-file cluster.key --data-dir ./data\n  shoal agent --config /etc/shoal/shoal.yaml\n\nNext: shoal containerd configure (as root), then pull an image; watch with: shoal status --watch',
    )
}

/** `shoal tracker`. */
export function trackerCommand(context: CommandContext): Command {
  return runCommand('tracker', context)
    .summary('run a tracker: it seeds the cluster and vouches for chunks')
    .description(
      'Fetches each layer that agents ask for once from its registry and hands different chunks to different agents. Agents work without one, only a cold wave is slower. Takes the same configuration as an agent.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  shoal keygen --cluster-key cluster.key --identity tracker.key\n  shoal tracker --cluster-key-file cluster.key --identity-file tracker.key --data-dir ./data\n\nNext: start agents with --trackers /ip4/ADDRESS/tcp/5001/p2p/PEERID, with the PeerId that keygen printed',
    )
}

function runCommand(role: PeerRole, context: CommandContext): Command {
  const command = new Command(role)
  return addSettingFlags(command).action(async () => {
    await runProcess(loadConfig(sourcesFrom(command, role, context.env)), context.terminal)
  })
}
