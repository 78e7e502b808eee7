import type { PullReport } from '../../lab/client-main.ts'
import { runWave, type Wave, type WavePull } from '../../lab/wave.ts'
import type { ScenarioContext } from '../../scenario.ts'
import type { LabImage } from '../../lab/origin.ts'
import type { Moment } from './churn-moments.ts'

export interface RollOutInit {
  readonly image: LabImage
  readonly timeoutMs: number
  /** Pulls that begin at once. */
  readonly pulls: readonly WavePull[]
  readonly moments: readonly Moment[]
  /** Kills one more agent. */
  readonly kill: () => void
  /** Brings up one more node; its pull begins when this resolves. */
  readonly join: () => Promise<WavePull>
  readonly onProgress: (share: number) => void
}

/** How the pulls of one roll-out went. */
export interface RollOut {
  /** Of those that began at once, in their order. */
  readonly reports: readonly PullReport[]
  /** Of those that joined, in their order. */
  readonly joined: readonly PullReport[]
  /** Until the last of all pulls has ended. */
  readonly makespanSeconds: number
}

/** Pulls that begin at once, some that join while these go on, and what else happens at given moments of their progress. */
export async function rollOut(init: RollOutInit, { signal }: ScenarioContext): Promise<RollOut> {
  const { image, timeoutMs, kill, join } = init
  const left = [...init.moments]
  const joins: Promise<Wave>[] = []
  const pull = async (pulls: readonly WavePull[], onProgress?: (share: number) => void): Promise<Wave> => {
    const { repository, tag } = image
    const options = onProgress === undefined ? { signal } : { signal, onProgress }
    return await runWave({ pulls, repository, tag, staggerMs: 0, timeoutMs }, options)
  }
  const begin = async (): Promise<Wave> => await pull([await join()])
  const onProgress = (share: number): void => {
    init.onProgress(share)
    while (left[0] !== undefined && left[0].share <= share) {
      if (left.shift()?.kind === 'kill') kill()
      else joins.push(kept(begin()))
    }
  }
  const wave = await endedWith(pull(init.pulls, onProgress), joins)
  const joined = (await Promise.all(joins)).flatMap(({ reports }) => reports)
  const { reports } = wave
  const startedAtMs = Math.min(...reports.map((report) => report.startedAtMs))
  const endedAtMs = Math.max(...[...reports, ...joined].map((report) => report.endedAtMs))
  return { reports, joined, makespanSeconds: (endedAtMs - startedAtMs) / 1_000 }
}

/** Waits for `joins` as well, whatever became of `wave`: nobody may pull any more when this has ended. */
async function endedWith(wave: Promise<Wave>, joins: readonly Promise<Wave>[]): Promise<Wave> {
  try {
    return await wave
  } finally {
    await Promise.allSettled(joins)
  }
}

/** That it failed is seen when it is awaited, which may be after it did. */
function kept<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined)
  return promise
}
