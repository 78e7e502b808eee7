import type { DocumentPeers, DocumentReply, DocumentRequest } from '../catalog/index.ts'
import type { Config } from '../config/index.ts'
import { type Digest, systemClock } from '../core/index.ts'
import type { Scheduler } from '../scheduler/index.ts'
import type { Store } from '../store/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { TraceBook, TraceGuide, TraceRecorder } from '../traces/index.ts'

export interface StartTracesComponents {
  readonly scheduler: Scheduler
  readonly store: Store
  readonly peers: DocumentPeers
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * What this process knows of how containers read layers at their start: an agent records the starts here and follows the
 * traces of others, a tracker remembers what agents tell it.
 */
export class StartTraces {
  readonly #role: Config['role']
  readonly #store: Store
  readonly #book: TraceBook
  readonly #recorder: TraceRecorder | undefined
  readonly #guide: TraceGuide | undefined

  constructor({ role }: Pick<Config, 'role'>, components: StartTracesComponents) {
    const { scheduler, store } = components
    this.#role = role
    this.#store = store
    this.#book = new TraceBook({ store, clock: systemClock })
    if (role === 'tracker') return
    const open: Scheduler['open'] = async (ref, access, options) => await scheduler.open(ref, access, options)
    const guide = new TraceGuide({ ...components, book: this.#book, open, clock: systemClock })
    const recorder = new TraceRecorder({
      clock: systemClock,
      onTrace: (digest, trace) => guide.learn(digest, trace),
    })
    scheduler.listen({
      readLazily: (read) => {
        recorder.read(read)
        guide.read(read)
      },
    })
    this.#guide = guide
    this.#recorder = recorder
  }

  /** Answers a peer; what it offers is taken by a tracker only, unless it is of another layer than the digest's. */
  answer({ digest, offer }: Extract<DocumentRequest, { kind: 'trace' }>): DocumentReply {
    if (offer !== undefined && this.#role === 'tracker' && this.#fits(digest, offer.sizeBytes)) {
      this.#book.offer(digest, offer)
    }
    const trace = this.#book.get(digest)
    return trace === undefined ? { kind: 'none' } : { kind: 'trace', trace }
  }

  async stop(): Promise<void> {
    this.#recorder?.close()
    await this.#guide?.stop()
  }

  #fits(digest: Digest, sizeBytes: number): boolean {
    const known = this.#store.find(digest)?.sizeBytes
    return known === undefined || known === sizeBytes
  }
}
