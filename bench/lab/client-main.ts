/** The client of one node, in that node's place: pulls as containerd would, and reads the agent's status there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type PullResult, pullAsContainerd } from './containerd-pull.ts'
import type { PullHost } from './host-chain.ts'
import { monotonicMs } from './monotonic.ts'
import { serveCalls } from './serve-calls.ts'

/** What a client is asked to pull. */
export interface PullOrder {
  readonly hosts: readonly PullHost[]
  readonly repository: string
  readonly tag: string
  /** On the clock of `monotonicMs`; the same for all clients that begin together. */
  readonly startAtMs: number
  readonly timeoutMs: number
}

/** How a pull went; `failure` when it did not come to its end. */
export interface PullReport extends Partial<PullResult> {
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly failure?: string
}

/** Pause between two reports of progress. */
const PROGRESS_INTERVAL_MS = 200

/** What a client is asked to read in small parts. */
export interface RangesOrder {
  /** `http://address:port` of a mirror. */
  readonly url: string
  /** Registry the image belongs to, said to the mirror. */
  readonly namespace: string
  readonly repository: string
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
  readonly ranges: number
}

/** What a lazy snapshotter asks for at least. */
const RANGE_BYTES = 50_000

const RANGE_TIMEOUT_MS = 30_000

/** As often as stargz asks, with pauses that grow. */
const RANGE_ATTEMPTS = 6
const RANGE_PAUSE_MS = 200

/** A healthy agent answers in milliseconds; in the middle of a wave on few processors it may take longer. */
const STATUS_TIMEOUT_MS = 20_000

async function pull(order: PullOrder, report: (share: number) => void): Promise<PullReport> {
  await sleep(Math.max(0, order.startAtMs - monotonicMs()))
  const startedAtMs = monotonicMs()
  let reportAtMs = 0
  const onProgress = (doneBytes: number, totalBytes: number): void => {
    const now = performance.now()
    if (now < reportAtMs) return
    reportAtMs = now + PROGRESS_INTERVAL_MS
    report(doneBytes / totalBytes)
  }
  try {
    const result = await pullAsContainerd({ ...order, signal: AbortSignal.timeout(order.timeoutMs), onProgress })
    return { startedAtMs, endedAtMs: monotonicMs(), ...result }
  } catch (error) {
    return { startedAtMs, endedAtMs: monotonicMs(), failure: error instanceof Error ? error.message : String(error) }
  }
}

/** Reads ranges at random places, one after the other, and keeps nothing. */
async function readRanges({ url, namespace, repository, layers, ranges }: RangesOrder): Promise<void> {
  for (let index = 0; index < ranges; index++) {
    const layer = layers[index % layers.length]
    if (layer === undefined) return
    const start = Math.floor(Math.random() * Math.max(1, layer.size - RANGE_BYTES))
    const range = `bytes=${start}-${Math.min(layer.size, start + RANGE_BYTES) - 1}`
    await readRange(`${url}/v2/${repository}/blobs/${layer.digest}?ns=${namespace}`, range)
  }
}

/** As lazy snapshotters do, what is refused with a 503 is asked for again. */
async function readRange(url: string, range: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, {
      headers: { range, 'user-agent': 'Go-http-client/1.1' },
      signal: AbortSignal.timeout(RANGE_TIMEOUT_MS),
    })
    await answer.arrayBuffer()
    if (answer.status === 206) return
    if (answer.status !== 503 || attempt >= RANGE_ATTEMPTS)
      throw new Error(`a range was answered with ${answer.status}`)
    await sleep(attempt * RANGE_PAUSE_MS)
  }
}

async function status({ adminUrl }: { readonly adminUrl: string }): Promise<unknown> {
  const headers = { accept: 'application/json' }
  const answer = await fetch(`${adminUrl}/status`, { headers, signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
  if (!answer.ok) throw new Error(`${adminUrl} answers ${answer.status} when asked for its status`)
  return await answer.json()
}

/** The line of the metrics that says how many peers an agent is connected to. */
const CONNECTED_PEERS = /^shoal_discovery_connected_peers (\d+)$/m

async function connectedPeers({ adminUrl }: { readonly adminUrl: string }): Promise<number> {
  const answer = await fetch(`${adminUrl}/metrics`, { signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
  if (!answer.ok) throw new Error(`${adminUrl} answers ${answer.status} when asked for its metrics`)
  return Number(CONNECTED_PEERS.exec(await answer.text())?.[1] ?? 0)
}

serveCalls({ pull, readRanges, status, connectedPeers })
