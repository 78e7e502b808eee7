import { fileURLToPath } from 'node:url'
import { type StatusView, statusViewSchema } from '../../src/cli/status-view.ts'
import type { PullOrder, PullReport, RangesOrder } from './client-main.ts'
import type { Place } from './place.ts'
import { type CallOptions, Worker } from './worker.ts'

const SCRIPT = fileURLToPath(new URL('client-main.ts', import.meta.url))

/** The client of one node: a process of its own that pulls as containerd would and keeps nothing. */
export class Client implements AsyncDisposable {
  readonly #worker: Worker

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  static async start(place: Place): Promise<Client> {
    return new Client(await Worker.start({ place, script: SCRIPT }))
  }

  get pid(): number {
    return this.#worker.pid
  }

  /** Pulls; a pull that fails is a report with `failure`. Progress is the share of the image that has come. */
  async pull(order: PullOrder, options: CallOptions): Promise<PullReport> {
    return await this.#worker.call<PullReport>('pull', order, options)
  }

  /** Reads small parts of layers as a lazy snapshotter would; fails when one does not come. */
  async readRanges(order: RangesOrder, options: CallOptions): Promise<void> {
    await this.#worker.call('readRanges', order, options)
  }

  /** What the agent at that admin address says of itself. */
  async status(adminUrl: string, options: CallOptions): Promise<StatusView> {
    return statusViewSchema.parse(await this.#worker.call('status', { adminUrl }, options))
  }

  /** How many peers the agent at that admin address is connected to. */
  async connectedPeers(adminUrl: string, options: CallOptions): Promise<number> {
    return await this.#worker.call<number>('connectedPeers', { adminUrl }, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker[Symbol.asyncDispose]()
  }
}
