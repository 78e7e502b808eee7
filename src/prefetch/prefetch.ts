import type { AbortOptions, Clock, Digest } from '../core/index.ts'
import { parsePlatform } from '../oci/index.ts'
import type { BytesBySource } from '../scheduler/index.ts'
import { checkImage, type ImagePullComponents } from './image-pull.ts'
import { pause } from './pause.ts'
import { imageText, type Nodes, type Prefetcher } from './prefetcher.ts'
import type { RunningOrder } from './running-order.ts'
import { failuresOf, type NodeCounts, type NodeFailure, type NodeProgress, type Tally } from './tally.ts'

/** What is asked of the node where a prefetch begins. */
export interface PrefetchRequest {
  readonly reference: string
  readonly nodes: Nodes
  readonly platform?: string | undefined
  readonly timeoutMs: number
  /** It goes on when its caller leaves, who hears no more than that it is under way. */
  readonly isDetached: boolean
}

/** What happens during a prefetch, as `POST /prefetch` streams it. */
export type PrefetchEvent =
  | { readonly type: 'resolved'; readonly id: string; readonly reference: string; readonly digest: Digest }
  | ({ readonly type: 'progress' } & PrefetchProgress)
  | ({
      readonly type: 'done'
      readonly seconds: number
      /** All nodes that were meant hold the image, and there were as many as were asked for, one at least. */
      readonly isComplete: boolean
      readonly bytesBySource: BytesBySource
      /** The first of them. */
      readonly failures: readonly NodeFailure[]
      /** How many nodes fewer there are than were asked for. */
      readonly missing: number
    } & PrefetchProgress)

/** How far all nodes together are. */
export interface PrefetchProgress {
  readonly nodes: NodeCounts
  readonly heldBytes: number
  readonly sizeBytes: number
  readonly slowest?: NodeProgress | undefined
}

export interface PrefetchComponents {
  readonly prefetcher: Prefetcher
  readonly images: ImagePullComponents
  readonly clock: Clock
}

/** How often progress is told. What the other nodes say comes once a second. */
const PROGRESS_MS = 500

/** Failures in a status; all of them are told to who waits. */
const SHOWN_FAILURES = 8

/** Has agents fetch an image into their stores, telling how they come along. Ending the call cancels it everywhere. Throws as `pullImage`, or a PrefetchBusyError. */
export async function* prefetch(
  request: PrefetchRequest,
  { prefetcher, images, clock }: PrefetchComponents,
  { signal }: AbortOptions,
): AsyncGenerator<PrefetchEvent> {
  const { reference, nodes, platform, timeoutMs } = request
  const startedMs = clock.now()
  const forPlatform = platform === undefined ? undefined : parsePlatform(platform)
  const image = await checkImage(reference, images, { signal, platform: forPlatform })
  const { order, missing } = await prefetcher.begin({ image, nodes, platform, timeoutMs }, { signal })
  const finished = order.finished().then(() => true)
  let isOver = request.isDetached
  try {
    yield { type: 'resolved', id: order.order.id, reference: imageText(image), digest: image.digest }
    if (request.isDetached) return
    while ((await Promise.race([finished, pause(clock, PROGRESS_MS, signal)])) !== true) {
      signal?.throwIfAborted()
      yield { type: 'progress', ...progressOf(order.tally) }
    }
    isOver = true
    yield outcomeOf(order, missing, (clock.now() - startedMs) / 1000)
  } finally {
    if (!isOver) order.cancel()
  }
}

/** The part of a tally that progress is told by. */
function progressOf({ nodes, heldBytes, sizeBytes, slowest }: Tally): PrefetchProgress {
  return { nodes, heldBytes, sizeBytes, slowest }
}

/** An order as a status shows it: at its starter with all nodes, at a relay with itself and those behind it. */
export function summaryOf(order: RunningOrder) {
  const { tally, isStarter, isOver } = order
  const { id, image } = order.order
  const failures = failuresOf(tally).slice(0, SHOWN_FAILURES)
  return { id, image: imageText(image), isStarter, isOver, ...progressOf(tally), failures }
}

function outcomeOf(order: RunningOrder, missing: number, seconds: number): PrefetchEvent {
  const { tally } = order
  const { done, failed, unreachable } = tally.nodes
  return {
    type: 'done',
    seconds,
    isComplete: missing === 0 && done > 0 && failed === 0 && unreachable === 0,
    ...progressOf(tally),
    bytesBySource: tally.bytesBySource,
    failures: failuresOf(tally),
    missing,
  }
}
