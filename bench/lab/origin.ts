import { fileURLToPath } from 'node:url'
import type { Place } from './place.ts'
import { type CallOptions, Worker } from './worker.ts'

const SCRIPT = fileURLToPath(new URL('origin-main.ts', import.meta.url))

/** An image that the origin has. */
export interface LabImage {
  readonly repository: string
  readonly tag: string
  /** Bytes of config and layers. */
  readonly imageBytes: number
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
}

/** The origin registry of the lab: a process of its own that counts what it sends. */
export class Origin implements AsyncDisposable {
  readonly #worker: Worker
  /** `address:port`, the namespace of its images. */
  readonly host: string
  #imageCount = 0

  private constructor(worker: Worker, host: string) {
    this.#worker = worker
    this.host = host
  }

  static async start(place: Place, options: CallOptions): Promise<Origin> {
    const worker = await Worker.start({ place, script: SCRIPT })
    try {
      return new Origin(worker, await worker.call<string>('listen', { address: place.address }, options))
    } catch (error) {
      await worker[Symbol.asyncDispose]()
      throw error
    }
  }

  get pid(): number {
    return this.#worker.pid
  }

  /** Makes an image of layers of exactly these sizes that nobody has seen before. */
  async addImage(layerBytes: readonly number[], options: CallOptions): Promise<LabImage> {
    const repository = `bench/image-${++this.#imageCount}`
    const params = { repository, layerBytes, seed: `${repository} at ${this.host}` }
    return {
      repository,
      tag: 'v1',
      ...(await this.#worker.call<Omit<LabImage, 'repository' | 'tag'>>('add', params, options)),
    }
  }

  /** Bytes of manifests and blobs sent so far. */
  async sentBytes(options: CallOptions): Promise<number> {
    return (await this.#worker.call<{ readonly sentBytes: number }>('counts', {}, options)).sentBytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker[Symbol.asyncDispose]()
  }
}
