import type { Digest } from '../core/index.ts'
import type { BytesBySource } from '../scheduler/index.ts'
import type { PullEvent } from './image-pull.ts'
import { reasonOf } from './reason.ts'
import { type Tally, tallyOf } from './tally.ts'

/** Runs one piece of work when it is its turn. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>

export interface OwnPullInit {
  readonly peer: string
  readonly name: string
}

/** One node's own part in an order: waiting -> running -> done or failed. */
export class OwnPull {
  readonly #init: OwnPullInit
  readonly #heldByLayer = new Map<Digest, number>()
  #state: 'waiting' | 'running' | 'done' | 'failed' = 'waiting'
  #sizeBytes = 0
  #bytesBySource: BytesBySource | undefined
  #reason = ''

  constructor(init: OwnPullInit) {
    this.#init = init
  }

  get state(): 'waiting' | 'running' | 'done' | 'failed' {
    return this.#state
  }

  get tally(): Tally {
    const { peer, name } = this.#init
    const heldBytes = this.#heldByLayer.values().reduce((sum, held) => sum + held, 0)
    const progress = { heldBytes, sizeBytes: this.#sizeBytes }
    return tallyOf(this.#state, {
      ...progress,
      ...(this.#bytesBySource === undefined ? {} : { bytesBySource: this.#bytesBySource }),
      ...(this.#state === 'failed' ? { failures: [{ peer, name, reason: this.#reason }] } : {}),
      ...(this.#state === 'running' ? { slowest: { name: name || peer, ...progress } } : {}),
    })
  }

  /** Pulls when it is its turn; a failure is part of the tally, and nothing is thrown. */
  async run(
    turns: Turns,
    events: (signal: AbortSignal) => AsyncIterable<PullEvent>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await turns(async () => {
        signal.throwIfAborted()
        this.#state = 'running'
        for await (const event of events(signal)) this.#take(event)
      })
      this.#state = 'done'
    } catch (error) {
      this.#state = 'failed'
      this.#reason = reasonOf(signal.aborted ? signal.reason : error)
    }
  }

  #take(event: PullEvent): void {
    if (event.type === 'resolved') this.#sizeBytes = event.sizeBytes
    else if (event.type === 'layer') this.#heldByLayer.set(event.digest, event.heldBytes)
    else this.#bytesBySource = event.bytesBySource
  }
}
