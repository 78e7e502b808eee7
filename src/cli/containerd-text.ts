import type { ContainerdReport, RegistryReport } from '../containerd/index.ts'
import { printable, type Terminal } from './terminal/index.ts'

/** What each state of a hosts.toml means for pulls. */
const MEANING: Readonly<Record<RegistryReport['state'], string>> = {
  ours: 'asks the mirror first',
  drifted: 'asks the mirror first; edited since it was configured',
  foreign: 'does not ask the mirror first; run: shoal containerd configure',
  unreadable: 'containerd cannot read this file and ignores it',
}

/** For each registry whom containerd asks in which order, then what is wrong with containerd's own configuration. */
export function containerdReportText(report: ContainerdReport, terminal: Terminal): string {
  if (report.registries.length === 0)
    return 'no hosts.toml at all: containerd asks the registries; run: shoal containerd configure\n'
  return [
    ...report.registries.map((registry) => registryText(registry, terminal)),
    ...configText(report, terminal),
  ].join('')
}

function registryText({ namespace, path, asks, state }: RegistryReport, terminal: Terminal): string {
  const name = namespace === '_default' ? 'any other registry' : printable(namespace)
  const hosts = asks.map(
    (host, index) =>
      `  ${index + 1}. ${printable(host.url)} (${host.capabilities.map(printable).join(', ')})${host.isMirror ? '  <- mirror' : ''}\n`,
  )
  return `${terminal.paint('bold', name)}: ${terminal.paint(state === 'ours' ? 'green' : 'yellow', MEANING[state])}\n  ${printable(path)}\n${hosts.join('')}`
}

function configText({ config }: ContainerdReport, terminal: Terminal): string[] {
  if (config === undefined) return []
  const problems = config.problems.map((problem) => `  ${terminal.paint('red', 'problem')}: ${printable(problem)}\n`)
  return [
    `${terminal.paint('bold', "containerd's configuration")}: version ${config.version}, config_path ${printable(config.configPath ?? 'not set')}\n`,
    ...(problems.length > 0 ? problems : ['  nothing keeps containerd from asking the mirror\n']),
  ]
}
