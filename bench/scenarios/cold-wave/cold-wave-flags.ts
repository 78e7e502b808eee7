import { choiceOf, countOf, numberOf, parseRate, parseSize, parseUrls } from '../../flag-values.ts'
import type { ScenarioFlag } from '../../scenario.ts'
import { UsageError } from '../../usage-error.ts'

/** The flags of `cold-wave` as they come from the command line. */
export interface ColdWaveFlags {
  readonly nodes: number
  readonly size: number
  readonly layers: number
  readonly rate?: number
  readonly originRate?: number
  readonly latency: number
  readonly trackers: number
  readonly tracker: boolean
  readonly kill?: 'tracker' | 'agent'
  readonly zones?: number
  readonly stagger: number
  readonly settle: number
  readonly baseline: boolean
  readonly baselineRuns?: number
  readonly carrier?: string
  readonly targets?: readonly URL[]
  readonly admins?: readonly URL[]
  readonly image?: string
  readonly plainHttp: boolean
}

export const coldWaveFlags: readonly ScenarioFlag[] = [
  { flags: '--nodes <count>', description: 'agents, each with a client', defaultValue: 8, parse: countOf(1, 200) },
  { flags: '--size <size>', description: 'bytes of all layers together', defaultValue: '256MiB', parse: parseSize },
  { flags: '--layers <count>', description: 'layers of equal size', defaultValue: 4, parse: countOf(1, 100) },
  { flags: '--rate <rate>', description: 'link of each agent and tracker, both ways (needs root)', parse: parseRate },
  { flags: '--origin-rate <rate>', description: 'link of the origin; default: the same as --rate', parse: parseRate },
  {
    flags: '--latency <ms>',
    description: 'one-way latency of each link (needs root, gcc and iptables)',
    defaultValue: 0,
    parse: numberOf(0, 10_000),
  },
  { flags: '--trackers <count>', description: 'trackers of the cluster', defaultValue: 1, parse: countOf(1, 10) },
  { flags: '--no-tracker', description: 'without any tracker' },
  {
    flags: '--kill <what>',
    description: 'kill a tracker or an agent in the middle',
    parse: choiceOf('tracker', 'agent'),
  },
  { flags: '--zones <count>', description: 'spread the agents over zones', parse: countOf(1, 50) },
  {
    flags: '--stagger <ms>',
    description: 'between the starts of one client and the next',
    defaultValue: 0,
    parse: numberOf(0, 600_000),
  },
  {
    flags: '--settle <seconds>',
    description: 'rest after the pull that warms up, for agents that all began at once on few processors',
    defaultValue: 40,
    parse: numberOf(0, 600),
  },
  { flags: '--baseline-runs <count>', description: 'pulls without Shoal; default: 1', parse: countOf(0, 100) },
  { flags: '--no-baseline', description: 'no pull without Shoal' },
  { flags: '--carrier <name>', description: 'setting exchange.carrier of every process' },
  { flags: '--targets <urls>', description: 'mirrors that somebody else runs, one client for each', parse: parseUrls },
  { flags: '--image <reference>', description: 'with --targets: HOST/REPOSITORY:TAG to pull' },
  {
    flags: '--admins <urls>',
    description: 'with --targets: their admin addresses, to read what they took from where',
    parse: parseUrls,
  },
  { flags: '--plain-http', description: 'with --targets: the registry of the image has no TLS', defaultValue: false },
]

export const coldWaveExamples: readonly string[] = [
  'cold-wave --nodes 8 --size 256MiB --rate 100mbit --origin-rate 100mbit --json wave.json   (as root)',
  'cold-wave --nodes 8 --rate 100mbit --no-tracker --runs 5                                   (as root)',
  'cold-wave --nodes 4 --size 64MiB                                       (loopback, nothing shaped)',
  'cold-wave --targets http://node1:5000,http://node2:5000 --image registry.example/team/app:v1',
]

/** Refuses flags that contradict each other. */
export function checkFlags(flags: ColdWaveFlags): void {
  const conflicts: readonly (readonly [boolean, string])[] = [
    [flags.kill === 'tracker' && !flags.tracker, '--kill tracker needs a tracker: leave out --no-tracker'],
    [flags.kill === 'agent' && flags.nodes < 2, '--kill agent needs at least two nodes'],
    [flags.size < flags.layers, `--size must have a byte for each of the ${flags.layers} layers`],
    [flags.originRate !== undefined && flags.rate === undefined, '--origin-rate needs --rate'],
    [
      flags.latency > 0 && flags.rate === undefined,
      '--latency needs --rate, which puts each agent on a link of its own',
    ],
    [flags.latency > 0 && process.getuid?.() !== 0, '--latency needs root'],
    [(flags.targets === undefined) !== (flags.image === undefined), '--targets and --image need each other'],
    [flags.targets === undefined && flags.admins !== undefined, '--admins needs --targets'],
  ]
  const broken = conflicts.find(([isConflict]) => isConflict)
  if (broken !== undefined) throw new UsageError(broken[1])
}
