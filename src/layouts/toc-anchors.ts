import { LRUCache } from 'lru-cache'
import type { Digest } from '../core/index.ts'
import { type Descriptor, type TocAnchor, tocAnchorOf } from '../oci/index.ts'

/** Layers remembered, some 200 bytes each: those of the images that a node pulls in weeks. */
const MAX_LAYERS = 20_000

/** Which layers have a table of contents, as the manifests that were seen say. */
export class TocAnchors {
  readonly #anchors = new LRUCache<Digest, TocAnchor>({ max: MAX_LAYERS })

  note(layers: readonly Pick<Descriptor, 'digest' | 'annotations'>[]): void {
    for (const { digest, annotations } of layers) {
      const anchor = tocAnchorOf(annotations)
      if (anchor !== undefined) this.#anchors.set(digest, anchor)
    }
  }

  anchorOf(digest: Digest): TocAnchor | undefined {
    return this.#anchors.get(digest)
  }
}
