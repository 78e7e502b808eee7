import { countOf, parseRate, parseSize } from '../../flag-values.ts'
import type { Scenario, ScenarioContext, ScenarioReport } from '../../scenario.ts'
import { Rolling } from './rolling.ts'
import type { RollingFlags } from './rolling-flags.ts'
import { reportRolling } from './rolling-report.ts'

/** One fifth of the nodes after the other pulls an image that the first fifth has brought into the swarm. */
export const rollingScenario: Scenario = {
  name: 'rolling',
  summary: 'One fifth of the nodes after the other pulls an image that the first fifth has brought into the swarm.',
  flags: [
    { flags: '--nodes <count>', description: 'agents, each with a client', defaultValue: 10, parse: countOf(2, 200) },
    { flags: '--size <size>', description: 'bytes of all layers together', defaultValue: '64MiB', parse: parseSize },
    { flags: '--layers <count>', description: 'layers of equal size', defaultValue: 4, parse: countOf(1, 100) },
    { flags: '--rate <rate>', description: 'link of each agent and tracker, both ways (needs root)', parse: parseRate },
    { flags: '--origin-rate <rate>', description: 'link of the origin; default: as --rate', parse: parseRate },
    { flags: '--no-tracker', description: 'without a tracker' },
    { flags: '--no-baseline', description: 'no roll-out without Shoal' },
  ],
  examples: ['rolling --nodes 10 --size 64MiB --rate 100mbit   (as root)'],
  async run(given, context): Promise<ScenarioReport> {
    const flags = given as unknown as RollingFlags
    return await measure(flags, context)
  },
}

async function measure(flags: RollingFlags, context: ScenarioContext): Promise<ScenarioReport> {
  await using rolling = await Rolling.start(flags, context)
  const steps = context.runs + (flags.baseline ? 1 : 0)
  const runs = []
  for (let run = 0; run < context.runs; run++) {
    context.progress(`roll-out ${run + 1} of ${context.runs}`, run / steps)
    runs.push(await rolling.throughShoal())
  }
  if (flags.baseline) context.progress('the same without Shoal', context.runs / steps)
  const baseline = flags.baseline ? await rolling.withoutShoal() : undefined
  return reportRolling({ flags, links: rolling.links, runs, baseline })
}
