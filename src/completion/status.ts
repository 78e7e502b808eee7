import type { Digest } from '../core/index.ts'
import type { CompletionMode, Hindrance } from './policy.ts'
import type { Obstacle } from './queue.ts'

/** What is being completed, for `status`. */
export interface CompletionStatus {
  readonly mode: 'off' | CompletionMode
  /** `waiting`: there are layers, and none is being fetched, `because` of something. */
  readonly state: 'idle' | 'completing' | 'waiting'
  readonly because?: Hindrance | Obstacle | undefined
  readonly layers: readonly { readonly digest: Digest; readonly state: 'completing' | 'queued' | Obstacle }[]
  /** Layers completed, and layers given up, since the start. */
  readonly done: number
  readonly givenUp: number
  /** Bytes fetched for it. */
  readonly bytes: number
}
