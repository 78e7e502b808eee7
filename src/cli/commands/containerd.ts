import { Command } from 'commander'
import type { ContainerdAction } from '../../containerd/index.ts'
import { containerdReportText } from '../containerd-text.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { onInterrupt } from '../interrupt.ts'

interface FolderOptions {
  readonly certsDir: string
  readonly json?: boolean
}

interface ChangeOptions extends FolderOptions {
  readonly dryRun?: boolean
  readonly force?: boolean
}

/** `shoal containerd configure | restore | show`. */
export function containerdCommand(context: CommandContext): Command {
  const command = new Command('containerd')
    .summary("put the mirror into containerd's configuration, and take it out again")
    .description(
      'Edits the hosts.toml files that containerd reads on each pull, so nothing needs a restart. While the mirror is down, containerd goes to the registry by itself.',
    )
  command.addCommand(configureCommand(context))
  command.addCommand(restoreCommand(context))
  command.addCommand(showCommand(context))
  return command
}

function configureCommand(context: CommandContext): Command {
  return withFolder(new Command('configure'))
    .summary('make containerd ask the mirror first')
    .description(
      'Puts the mirror in front in _default/hosts.toml and in the hosts.toml of every registry that has a folder, keeping what is there behind it. Originals are kept in _shoal-backup. All or nothing; doing it again changes nothing.',
    )
    .option('--mirror <url>', 'where containerd reaches the mirror', 'http://127.0.0.1:5000')
    .option('--registry <host...>', 'also write a file for these registries')
    .option('--force', 'also rewrite files that were edited since')
    .option('--dry-run', 'only say what would be done')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal containerd configure --dry-run\n  shoal containerd configure --registry docker.io registry.example:5000',
    )
    .action(async (options: ChangeOptions & { mirror: string; registry?: string[] }) => {
      const { configureContainerd } = await import('../../containerd/index.ts')
      using interrupt = onInterrupt()
      const actions = await configureContainerd(
        {
          certsDir: options.certsDir,
          mirrorUrl: options.mirror,
          namespaces: ['_default', ...(options.registry ?? [])],
          isForced: options.force,
          isDryRun: options.dryRun,
        },
        interrupt,
      )
      printActions(actions, options, context)
      if (options.json !== true)
        context.terminal.out('containerd uses this from its next pull on. Check with: shoal containerd show\n')
    })
}

function restoreCommand(context: CommandContext): Command {
  return withFolder(new Command('restore'))
    .summary('put back what was there before')
    .description(
      'Puts back every hosts.toml byte for byte as it was before the first configure, and removes what was created. All or nothing.',
    )
    .option('--force', 'also over files that were edited since, losing the edits')
    .option('--dry-run', 'only say what would be done')
    .action(async (options: ChangeOptions) => {
      const { restoreContainerd } = await import('../../containerd/index.ts')
      using interrupt = onInterrupt()
      const init = { certsDir: options.certsDir, isForced: options.force, isDryRun: options.dryRun }
      const actions = await restoreContainerd(init, interrupt)
      printActions(actions, options, context)
      if (options.json !== true && actions.length === 0)
        context.terminal.out(`nothing to restore in ${options.certsDir}\n`)
    })
}

function showCommand(context: CommandContext): Command {
  return withFolder(new Command('show'))
    .summary('show whom containerd asks for each registry')
    .description('Exits with 1 when something keeps containerd from asking the mirror.')
    .option(
      '--containerd-config <file>',
      "also check containerd's own configuration, usually /etc/containerd/config.toml",
    )
    .action(async (options: FolderOptions & { containerdConfig?: string }) => {
      const { showContainerd } = await import('../../containerd/index.ts')
      using interrupt = onInterrupt()
      const report = await showContainerd(
        { certsDir: options.certsDir, containerdConfigFile: options.containerdConfig },
        interrupt,
      )
      context.terminal.out(
        options.json === true ? `${JSON.stringify(report)}\n` : containerdReportText(report, context.terminal),
      )
      const isAllOurs =
        report.registries.length > 0 && report.registries.every((registry) => registry.asks[0]?.isMirror === true)
      if (!isAllOurs || (report.config?.problems.length ?? 0) > 0) context.setExitCode(EXIT.failure)
    })
}

function withFolder(command: Command): Command {
  return command
    .option('--certs-dir <folder>', "the folder that containerd's config_path names", '/etc/containerd/certs.d')
    .option('--json', 'print the result as JSON')
}

function printActions(
  actions: readonly ContainerdAction[],
  options: ChangeOptions,
  { terminal }: CommandContext,
): void {
  if (options.json === true) {
    terminal.out(`${JSON.stringify(actions)}\n`)
    return
  }
  for (const { kind, path, reason } of actions) {
    const verb = options.dryRun === true && kind !== 'unchanged' && kind !== 'skipped' ? `would be ${kind}` : kind
    terminal.out(`${verb}  ${path}${reason === undefined ? '' : `: ${reason}`}\n`)
  }
}
