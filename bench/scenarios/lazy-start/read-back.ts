import type { Figures } from '../run-figures.ts'
import type { Abortable, LazyStartLab } from './lazy-start-lab.ts'
import { COMMAND, FIRST_LINE } from './starts.ts'

/** What came of reading the image back from the node alone. */
export interface ReadBack {
  readonly figures: Figures
  /** What was wrong; none when every byte was there. */
  readonly failures: readonly string[]
}

/**
 * Starts the container lazily, waits until the agent has completed the image in the background, and reads all of it back with
 * the other agent, the tracker and both registries gone, which is the last that is done with this lab.
 */
export async function readBack(lab: LazyStartLab, options: Abortable): Promise<ReadBack> {
  await using cluster = await lab.startCluster('warm', options)
  await using node = await lab.startNode('origin', cluster.agent)
  await node.firstLine(lab.reference('origin'), COMMAND, FIRST_LINE)
  const startMs = performance.now()
  await lab.completed(cluster.agent, options)
  const completionSeconds = (performance.now() - startMs) / 1_000
  await lab.stopRegistries()
  for (const { child } of cluster.processes) if (child !== cluster.agent.child) await child.kill()
  const failure = await lab.pullFrom(cluster.agent, options)
  return { figures: { completionSeconds }, failures: failure === undefined ? [] : [failure] }
}
