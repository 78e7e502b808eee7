import { type AbortOptions, isAbort } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { abortable } from '../util/index.ts'
import type { StoredBlob } from './ports.ts'
import type { TaskGroup } from './task-group.ts'

/** What becomes of a check of the whole blob. */
export interface WholeCheckOutcome {
  /** The blob has its digest. */
  right(options: AbortOptions): Promise<void>
  /** It does not, and every chunk was dropped. */
  wrong(): void
  /** Either way, or when the check itself failed. */
  ended(): void
}

/** Checks the digest of the whole blob, one check at a time: idle -> checking -> idle. */
export class WholeCheck {
  readonly #tasks: TaskGroup
  readonly #logger: Logger
  #running: Promise<void> | undefined

  constructor(tasks: TaskGroup, logger: Logger) {
    this.#tasks = tasks
    this.#logger = logger
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when the check that may be under way has ended. */
  async ended({ signal }: AbortOptions): Promise<void> {
    while (this.#running !== undefined) await abortable(this.#running, signal)
  }

  begin(blob: StoredBlob, outcome: WholeCheckOutcome): void {
    if (this.#running !== undefined || this.#tasks.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#running = promise
    this.#tasks.run(async (signal) => {
      try {
        if (await blob.verifyWhole({ signal })) await outcome.right({ signal })
        else outcome.wrong()
      } catch (error) {
        if (!isAbort(error)) this.#logger.error({ err: error, digest: blob.ref.digest }, 'blob not verified')
      } finally {
        this.#running = undefined
        resolve()
        outcome.ended()
      }
    })
  }
}
