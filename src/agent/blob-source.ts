import type { Catalog } from '../catalog/index.ts'
import type { AbortOptions } from '../core/index.ts'
import type { BlobHandle, BlobRequest, BlobSource } from '../mirror/index.ts'
import type { Scheduler } from '../scheduler/index.ts'
import type { Store } from '../store/index.ts'

export interface SchedulerBlobSourceComponents {
  readonly scheduler: Scheduler
  readonly catalog: Catalog
  readonly store: Store
}

/** Blobs for the mirror: sizes from what is known or the origin, bytes from the scheduler. */
export class SchedulerBlobSource implements BlobSource {
  readonly #components: SchedulerBlobSourceComponents

  constructor(components: SchedulerBlobSourceComponents) {
    this.#components = components
  }

  async open(request: BlobRequest, options: AbortOptions): Promise<BlobHandle | undefined> {
    const { digest, origins, authorization } = request
    const { scheduler, catalog, store } = this.#components
    const sizeBytes = store.find(digest)?.sizeBytes ?? request.sizeBytes
    const ref =
      sizeBytes === undefined
        ? await catalog.blobRef(digest, origins, { authorization, signal: options.signal })
        : { digest, sizeBytes }
    if (ref === undefined) return undefined
    return await scheduler.open(ref, { origins, authorization }, options)
  }
}
