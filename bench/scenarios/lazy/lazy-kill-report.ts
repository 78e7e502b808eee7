import { figureAt, summarize } from '../run-figures.ts'
import type { ScenarioReport } from '../../scenario.ts'
import type { LazyKillRun } from './lazy-kill.ts'

/** What all but one range in a hundred may take when the peer that gave them is gone. */
const MAX_P99_MS = 400

/** Figures, table and bars of runs in which the serving peer was killed. */
export function reportKill(params: ScenarioReport['params'], runs: readonly LazyKillRun[]): ScenarioReport {
  const { medians, spread } = summarize(runs.map(({ figures }) => figures))
  const failures = runs.flatMap((run) => run.failures)
  const ms = (name: string): string => figureAt(medians, name).toFixed(1)
  return {
    params,
    results: {
      ...medians,
      failures: failures.length,
      failedPulls: failures.length,
      reasons: [...new Set(failures)],
      spread,
    },
    tables: [
      {
        title: 'Ranges of 50 to 100 kB at random places, the serving peer killed half way',
        headers: ['p50 ms', 'p99 ms', 'longest', 'first after', 'p50 after', 'failures'],
        rows: [[...['p50Ms', 'p99Ms', 'maxMs', 'firstAfterKillMs', 'afterKillP50Ms'].map(ms), String(failures.length)]],
      },
    ],
    charts: [],
    bars: [
      { figure: 'failures', equals: 0, measured: failures.length },
      { figure: 'p99Ms', atMost: MAX_P99_MS, measured: figureAt(medians, 'p99Ms') },
    ],
  }
}
