import type { Logger } from '../telemetry/index.ts'

/** What has been started, ended in reverse order; one part's failure to end does not keep the others running. */
export class Shutdown {
  readonly #ends: (() => Promise<unknown>)[] = []
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(end: () => Promise<unknown>): void {
    this.#ends.push(end)
  }

  async run(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end()
      } catch (error) {
        this.#logger.error({ err: error }, 'part not stopped cleanly')
      }
    }
  }
}
