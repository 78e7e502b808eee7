import { stargzObstacle } from '../../../test/support/stargz-daemon.ts'
import { numberOf, parseRate } from '../../flag-values.ts'
import type { Scenario, ScenarioContext } from '../../scenario.ts'
import { UsageError } from '../../usage-error.ts'
import type { Figures } from '../run-figures.ts'
import { numpyImage } from './lazy-image.ts'
import { LazyStartLab, type LazyStartLabInit } from './lazy-start-lab.ts'
import { type ReadBack, readBack } from './read-back.ts'
import { reportLazyStart } from './lazy-start-report.ts'
import { startOnce, type Variant, VARIANTS } from './starts.ts'

/** From the pull to the first line of a container that runs from lazily mounted layers. */
export const lazyStartScenario: Scenario = {
  name: 'lazy-start',
  summary:
    'First line of a lazily started container, by real containerd and stargz: from peers, cold, from the registry',
  flags: [
    {
      flags: '--image-layout <folder>',
      description: 'OCI layout of an image with python3 and numpy; default: built of Debian packages',
    },
    {
      flags: '--rate <rate>',
      description: 'link of each node and of the tracker, both ways',
      defaultValue: '100mbit',
      parse: parseRate,
    },
    { flags: '--origin-rate <rate>', description: 'link of the origin; default: the same as --rate', parse: parseRate },
    {
      flags: '--latency <ms>',
      description: 'one-way latency of each link (needs gcc and iptables)',
      defaultValue: 0,
      parse: numberOf(0, 10_000),
    },
    {
      flags: '--starts <list>',
      description: `which ways to start are compared, of ${VARIANTS.join(', ')}; default: all`,
      parse: parseVariants,
    },
    {
      flags: '--read-back',
      description: 'at the end have the image completed in the background and read it back with everything else gone',
      defaultValue: false,
    },
  ],
  examples: ['lazy-start --runs 2', 'lazy-start --starts warm,direct --runs 5'],

  async run(flags, context) {
    const obstacle = stargzObstacle()
    if (obstacle !== undefined) throw new UsageError(`lazy-start cannot run here: ${obstacle}`)
    const nodeBitsPerSecond = flags['rate'] as number
    const originBitsPerSecond = (flags['originRate'] as number | undefined) ?? nodeBitsPerSecond
    context.progress('building the image and converting it to eStargz, unless an earlier run has left it')
    const image = await numpyImage(flags['imageLayout'] as string | undefined)
    const init = { image, nodeBitsPerSecond, originBitsPerSecond, latencyMs: flags['latency'] as number }
    const variants = (flags['starts'] as readonly Variant[] | undefined) ?? VARIANTS
    const readsBack = flags['readBack'] === true
    return reportLazyStart(init, variants, ...(await measureRuns(init, variants, readsBack, context)))
  },
}

function parseVariants(text: string): readonly Variant[] {
  const names = text.split(',')
  const unknown = names.find((name) => !VARIANTS.some((variant) => variant === name))
  if (unknown !== undefined) throw new Error(`expected some of ${VARIANTS.join(', ')}, separated by commas`)
  return VARIANTS.filter((variant) => names.includes(variant))
}

async function measureRuns(
  init: LazyStartLabInit,
  variants: readonly Variant[],
  readsBack: boolean,
  context: ScenarioContext,
): Promise<[Figures[], ReadBack | undefined]> {
  context.progress('filling two registries and the first node')
  await using lab = await LazyStartLab.start(init, context)
  const runs: Figures[] = []
  for (let run = 1; run <= context.runs; run += 1) {
    const figures: Record<string, Figures> = {}
    for (const [index, variant] of variants.entries()) {
      const doneShare = (run - 1 + index / variants.length) / context.runs
      context.progress(`run ${run} of ${context.runs}: ${variant}`, doneShare)
      figures[variant] = await startOnce(lab, variant, context)
    }
    runs.push(figures)
  }
  if (!readsBack) return [runs, undefined]
  context.progress('completing the image and reading it back', 1)
  return [runs, await readBack(lab, context)]
}
