import type { ClientActivity } from '../scheduler/index.ts'

/** `idle`: when no reader has waited for a while, and gently; `now`: as soon as a part was read. */
export type CompletionMode = 'idle' | 'now'

/** Who or what is in the way. */
export type Hindrance = 'readers' | 'quiet' | 'pulls'

/** Bytes fetched before it is looked whether to go on: what a registry is asked for at once, should it have to be. */
export const STEP_BYTES = 8 * 1024 * 1024

/** Shortest rest after a step: 40 MB/s at most, which a disk or a link that others need hardly notices. */
const MIN_REST_MS = 200

/** A layer that was queued for so long goes on between two waits of readers: on a busy node silence never comes. */
const IMPATIENT_MS = 10 * 60_000

/** How soon it is looked again whether clients are done: they do not say so. */
const LOOK_AGAIN_MS = 1_000

export interface CompletionView {
  readonly nowMs: number
  readonly mode: CompletionMode
  /** How long no reader may have waited before something is fetched. */
  readonly quietMs: number
  readonly activity: ClientActivity
  /** Since when the layer is to be completed. */
  readonly queuedMs: number
}

export type Verdict =
  | { readonly isGo: true }
  | { readonly isGo: false; readonly because: Hindrance; readonly askAgainMs: number }

/** Whether the next step may be taken. */
export function decide(view: CompletionView): Verdict {
  const { lazyWaiting, pulls } = view.activity
  if (lazyWaiting > 0) return { isGo: false, because: 'readers', askAgainMs: LOOK_AGAIN_MS }
  if (pulls > 0) return { isGo: false, because: 'pulls', askAgainMs: LOOK_AGAIN_MS }
  const quietLeftMs = quietLeftOf(view)
  return quietLeftMs > 0 ? { isGo: false, because: 'quiet', askAgainMs: quietLeftMs } : { isGo: true }
}

/** How long to rest after a step that took `tookMs`: at least half of the time is left to others. */
export function restMs(mode: CompletionMode, tookMs: number): number {
  return mode === 'now' ? 0 : Math.max(MIN_REST_MS, tookMs)
}

function quietLeftOf({ nowMs, mode, quietMs, activity, queuedMs }: CompletionView): number {
  if (mode === 'now' || activity.lastLazyWaitMs === undefined || nowMs - queuedMs >= IMPATIENT_MS) return 0
  return activity.lastLazyWaitMs + quietMs - nowMs
}
