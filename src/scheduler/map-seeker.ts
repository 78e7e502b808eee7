import type { SignedChunkMap } from '../chunking/index.ts'
import { type BlobRef, type Clock, isAbort } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { PeerState } from './peer-state.ts'
import type { TaskGroup } from './task-group.ts'

/** A map that takes longer is not waited for: it may never come. */
const PATIENCE_MS = 500

export interface MapSeekerComponents {
  readonly tasks: TaskGroup
  readonly clock: Clock
  readonly logger: Logger
}

/** Asks whoever holds the whole blob for its signed map, each once. */
export class MapSeeker {
  readonly #ref: BlobRef
  readonly #components: MapSeekerComponents
  readonly #asked = new Set<string>()
  /** When each answer that is still to come was asked for. */
  readonly #awaitedSinceMs = new Map<string, number>()

  constructor(ref: BlobRef, components: MapSeekerComponents) {
    this.#ref = ref
    this.#components = components
  }

  /** Whether a map was asked for so lately that it may be about to come. */
  isAwaited(nowMs: number): boolean {
    return this.#awaitedSinceMs.values().some((sinceMs) => nowMs - sinceMs < PATIENCE_MS)
  }

  /** `offer` gets the map if `peer` has one of this blob. */
  ask(peer: PeerState, offer: (map: SignedChunkMap) => void): void {
    if (this.#asked.has(peer.id) || !peer.holdsAll) return
    const { tasks, clock, logger } = this.#components
    this.#asked.add(peer.id)
    this.#awaitedSinceMs.set(peer.id, clock.now())
    tasks.run(async (signal) => {
      try {
        const signed = await peer.following.requestMap({ signal })
        const { digest, sizeBytes } = this.#ref
        if (signed?.map.blobDigest === digest && signed.map.sizeBytes === sizeBytes) offer(signed)
      } catch (error) {
        if (!isAbort(error)) logger.debug({ peer: peer.id, err: error }, 'chunk map not had')
      } finally {
        this.#awaitedSinceMs.delete(peer.id)
      }
    })
  }

  /** The maps had so far were wrong: all may be asked again. */
  forget(): void {
    this.#asked.clear()
  }
}
