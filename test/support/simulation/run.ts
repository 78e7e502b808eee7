import assert from 'node:assert/strict'
import { type ClusterInit, SimulatedCluster } from './cluster.ts'
import type { SteppedClock } from './tick-clock.ts'

/** Virtual milliseconds between two looks at whether a run is done. */
const STEP_MS = 50

/** 100 Mbit/s, the links of the benchmarks. */
export const RATE = 12_500_000

export const MiB = 1024 * 1024

/** Advances virtual time until `work` has settled; fails when that takes more than `limitMs`. Throws what `work` does. */
export async function runUntil<T>(clock: SteppedClock, work: Promise<T>, limitMs: number): Promise<T> {
  let isDone = false
  const settled = Promise.allSettled([work]).then(() => {
    isDone = true
  })
  const startMs = clock.now()
  while (!isDone && clock.now() - startMs < limitMs) await clock.advance(STEP_MS)
  if (isDone) await settled
  assert.ok(isDone, `not done after ${limitMs} virtual ms`)
  return await work
}

/** A cluster whose nodes and origin have links of `RATE`, stopped when it is disposed of. */
export function simulatedCluster(
  init: Omit<ClusterInit, 'nodeBytesPerSecond' | 'originBytesPerSecond'>,
): SimulatedCluster & AsyncDisposable {
  const cluster = new SimulatedCluster({ ...init, nodeBytesPerSecond: RATE, originBytesPerSecond: RATE })
  return Object.assign(cluster, { [Symbol.asyncDispose]: async () => await cluster.stop() })
}

/** Seconds that one copy of `bytes` takes over a link of `RATE`. */
export function idealMs(bytes: number): number {
  return (bytes / RATE) * 1000
}
