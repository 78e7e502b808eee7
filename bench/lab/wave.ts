import type { Client } from './client.ts'
import type { PullReport } from './client-main.ts'
import type { PullHost } from './host-chain.ts'
import { monotonicMs } from './monotonic.ts'
import type { CallOptions } from './worker.ts'

/** One pull of a wave. */
export interface WavePull {
  readonly client: Client
  readonly hosts: readonly PullHost[]
}

export interface WaveInit {
  readonly pulls: readonly WavePull[]
  readonly repository: string
  readonly tag: string
  /** Between the starts of one client and the next. */
  readonly staggerMs: number
  readonly timeoutMs: number
}

/** How a wave went. */
export interface Wave {
  readonly reports: readonly PullReport[]
  /** From the common start until the last client has checked its last digest, or has given up. */
  readonly makespanSeconds: number
  readonly failures: readonly string[]
  /** Bytes that clients took from the registry because their mirror did not give them. */
  readonly directBytes: number
  /** Bodies that broke off and were gone on with. */
  readonly resumedBodies: number
}

/** What it takes to tell all clients to begin, before they do. */
const START_DELAY_MS = 200

/** A client that does not even answer when its time is over is given up. */
const ANSWER_GRACE_MS = 10_000

/** Has all clients pull at once. Progress is the mean share of the image that they have. */
export async function runWave(init: WaveInit, { signal, onProgress }: CallOptions): Promise<Wave> {
  const startAtMs = monotonicMs() + START_DELAY_MS
  const shares = init.pulls.map(() => 0)
  const lastStartMs = init.staggerMs * init.pulls.length
  const timeout = AbortSignal.timeout(Math.ceil(START_DELAY_MS + lastStartMs + init.timeoutMs + ANSWER_GRACE_MS))
  const pulls = init.pulls.map(async ({ client, hosts }, index) => {
    const { repository, tag, timeoutMs } = init
    const order = { hosts, repository, tag, timeoutMs, startAtMs: startAtMs + index * init.staggerMs }
    const take = (share: number): void => {
      shares[index] = share
      onProgress?.(shares.reduce((sum, each) => sum + each, 0) / shares.length)
    }
    const report = await client.pull(order, { signal: AbortSignal.any([signal, timeout]), onProgress: take })
    take(1)
    return report
  })
  const reports = await Promise.all(pulls)
  return {
    reports,
    makespanSeconds: (Math.max(...reports.map(({ endedAtMs }) => endedAtMs)) - startAtMs) / 1_000,
    failures: reports.flatMap(({ failure }) => failure ?? []),
    directBytes: reports.reduce((sum, { directBytes = 0 }) => sum + directBytes, 0),
    resumedBodies: reports.reduce((sum, { resumed = 0 }) => sum + resumed, 0),
  }
}
