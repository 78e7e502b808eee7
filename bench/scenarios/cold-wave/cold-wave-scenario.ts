import type { Scenario, ScenarioContext, ScenarioReport } from '../../scenario.ts'
import { type ColdWaveFlags, checkFlags, coldWaveExamples, coldWaveFlags } from './cold-wave-flags.ts'
import { ColdWave } from './cold-wave.ts'
import { reportWaves } from './cold-wave-report.ts'
import { waveThroughTargets } from './targets.ts'

/** All nodes pull an image that only the origin has, in the same moment. */
export const coldWaveScenario: Scenario = {
  name: 'cold-wave',
  summary: 'All nodes pull an image that only the origin has, in the same moment.',
  flags: coldWaveFlags,
  examples: coldWaveExamples,
  async run(given, context): Promise<ScenarioReport> {
    const flags = given as unknown as ColdWaveFlags
    checkFlags(flags)
    if (flags.targets !== undefined) return await waveThroughTargets(flags, context)
    return await measure(flags, context)
  },
}

/** Waves with Shoal and, in between, the same pulls without it. */
async function measure(flags: ColdWaveFlags, context: ScenarioContext): Promise<ScenarioReport> {
  await using wave = await ColdWave.start(flags, context)
  const baselineRuns = flags.baseline ? (flags.baselineRuns ?? 1) : 0
  const steps = context.runs + baselineRuns
  let done = 0
  const step = (name: string) => {
    const before = done++ / steps
    return (share: number): void => context.progress(name, before + share / steps)
  }
  const runs = []
  const baselines = []
  for (let run = 0; run < Math.max(context.runs, baselineRuns); run++) {
    if (run < context.runs) runs.push(await wave.pullThroughShoal(step(`wave ${run + 1} of ${context.runs}`)))
    if (run < baselineRuns) baselines.push(await wave.pullDirectly(step(`baseline ${run + 1} of ${baselineRuns}`)))
  }
  return reportWaves({ flags, links: wave.links, runs, baselines })
}
