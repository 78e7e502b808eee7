import type { SignedChunkMap } from '../chunking/index.ts'
import { type BlobRef, isAbort } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { PeerState } from './peer-state.ts'
import type { TaskGroup } from './task-group.ts'

/** Asks whoever holds the whole blob for its signed map, each once. */
export class MapSeeker {
  readonly #ref: BlobRef
  readonly #tasks: TaskGroup
  readonly #logger: Logger
  readonly #asked = new Set<string>()

  constructor(ref: BlobRef, tasks: TaskGroup, logger: Logger) {
    this.#ref = ref
    this.#tasks = tasks
    this.#logger = logger
  }

  /** `offer` gets the map if `peer` has one of this blob. */
  ask(peer: PeerState, offer: (map: SignedChunkMap) => void): void {
    if (this.#asked.has(peer.id) || !peer.holdsAll) return
    this.#asked.add(peer.id)
    this.#tasks.run(async (signal) => {
      try {
        const signed = await peer.following.requestMap({ signal })
        const { digest, sizeBytes } = this.#ref
        if (signed?.map.blobDigest === digest && signed.map.sizeBytes === sizeBytes) offer(signed)
      } catch (error) {
        if (!isAbort(error)) this.#logger.debug({ peer: peer.id, err: error }, 'chunk map not had')
      }
    })
  }

  /** The maps had so far were wrong: all may be asked again. */
  forget(): void {
    this.#asked.clear()
  }
}
