import type { Digest, OriginRef } from '../core/index.ts'
import { normalizeNamespace } from '../oci/index.ts'
import type { CatalogStore, SeenOrigin } from './ports.ts'

/** Which digests belong to which repositories, as the origin, a tracker or a manifest has said. The notes are the store's. */
export class Belongings {
  readonly #store: Pick<CatalogStore, 'historyOf' | 'noteHistory'>

  constructor(store: Pick<CatalogStore, 'historyOf' | 'noteHistory'>) {
    this.#store = store
  }

  /** Where `digest` was seen, latest first. */
  originsOf(digest: Digest): readonly SeenOrigin[] {
    return this.#store.historyOf(digest)
  }

  /** Whether `digest` was seen in one of the repositories. */
  belongs(digest: Digest, origins: readonly OriginRef[]): boolean {
    const keys = new Set(origins.map(keyOf))
    return this.originsOf(digest).some((seen) => keys.has(keyOf(seen)))
  }

  note(digest: Digest, seen: SeenOrigin): void {
    this.#store.noteHistory(digest, { ...seen, ...canonical(seen) })
  }
}

/** The one way to write the name of a repository that has several. */
export function canonical(origin: OriginRef): OriginRef {
  return { namespace: normalizeNamespace(origin.namespace) ?? origin.namespace, repository: origin.repository }
}

export function keyOf(origin: OriginRef): string {
  const { namespace, repository } = canonical(origin)
  return `${namespace}/${repository}`
}
