import { Command } from 'commander'
import { configCommand } from './commands/config.ts'
import { containerdCommand } from './commands/containerd.ts'
import { keygenCommand } from './commands/keygen.ts'
import { limitsCommand } from './commands/limits.ts'
import { prefetchCommand } from './commands/prefetch.ts'
import { pullCommand } from './commands/pull.ts'
import { agentCommand, trackerCommand } from './commands/run.ts'
import { statusCommand } from './commands/status.ts'
import type { CommandContext } from './context.ts'
import { EXIT } from './exit-code.ts'
import { reportFailure } from './failure.ts'
import { processTerminal, type Terminal } from './terminal/index.ts'
import { version } from '../util/index.ts'

export interface CliComponents {
  readonly terminal?: Terminal
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Runs the command that `args` (without `node` and the script) spell; gives its exit code. Never throws. */
export async function runCli(args: readonly string[], components: CliComponents = {}): Promise<number> {
  const { terminal = processTerminal(), env = process.env } = components
  let exitCode: number = EXIT.ok
  const context: CommandContext = { terminal, env, setExitCode: (code) => (exitCode = code) }
  try {
    await createProgram(context).parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    return reportFailure(error, terminal)
  }
}

function createProgram(context: CommandContext): Command {
  const { terminal } = context
  const program = new Command('shoal')
    .description(
      'Takes the layers of container images from the other nodes of the cluster instead of the registry. One agent runs on each node as a registry mirror for containerd; while it is down, containerd goes to the registry by itself.',
    )
    .version(version, '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `
First steps:
  shoal keygen --cluster-key cluster.key      once; copy the file to every node
  shoal agent --cluster-key-file cluster.key  on every node
  shoal containerd configure                  as root, on every node
  shoal status                                see where the bytes come from
  shoal prefetch docker.io/library/nginx:1.27 have all nodes fetch an image ahead of its use

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
    )
  const commands = [
    agentCommand,
    trackerCommand,
    keygenCommand,
    containerdCommand,
    statusCommand,
    pullCommand,
    prefetchCommand,
    limitsCommand,
    configCommand,
  ]
  for (const create of commands) program.addCommand(create(context))
  for (const command of descendants(program)) {
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    command.showHelpAfterError(`(see: ${path(command)} --help)`).helpCommand(false)
  }
  return program
}

function* descendants(command: Command): Generator<Command> {
  yield command
  for (const child of command.commands) yield* descendants(child)
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`
}
