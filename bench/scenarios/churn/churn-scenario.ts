import type { Scenario, ScenarioContext, ScenarioReport } from '../../scenario.ts'
import { Churn } from './churn.ts'
import { type ChurnFlags, checkFlags, churnFlags } from './churn-flags.ts'
import { reportChurn } from './churn-report.ts'

/** Nodes join and are killed while an image is pulled. */
export const churnScenario: Scenario = {
  name: 'churn',
  summary: 'Nodes join and are killed while all pull an image that only the origin has.',
  flags: churnFlags,
  examples: ['churn --nodes 8 --kills 2 --joins 2 --size 128MiB --rate 100mbit   (as root)'],
  async run(given, context): Promise<ScenarioReport> {
    const flags = given as unknown as ChurnFlags
    checkFlags(flags)
    return await measure(flags, context)
  },
}

async function measure(flags: ChurnFlags, context: ScenarioContext): Promise<ScenarioReport> {
  await using churn = await Churn.start(flags, context)
  const steps = context.runs + (flags.baseline ? 1 : 0)
  const step = (name: string, index: number) => (share: number) => context.progress(name, (index + share) / steps)
  const runs = []
  for (let run = 0; run < context.runs; run++) {
    runs.push(await churn.throughShoal(step(`roll-out ${run + 1} of ${context.runs}`, run)))
  }
  const baseline = flags.baseline ? await churn.withoutShoal(step('the same without Shoal', context.runs)) : undefined
  return reportChurn({ flags, links: churn.links, runs, baseline })
}
