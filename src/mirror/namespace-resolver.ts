import type { Digest, OriginRef } from '../core/index.ts'
import { isRepositoryName, normalizeNamespace } from '../oci/index.ts'
import { canonicalRepository, namespaceOfComponent } from './namespace.ts'
import type { DigestHistory } from './ports.ts'

/** Everything in a request that may say which registry is meant. */
export interface NamespaceQuery {
  /** Host of an absolute URL: a forward-proxy request, or one of the peer-to-peer paths of overlaybd. */
  readonly authority?: string | undefined
  /** The `ns` query, which containerd adds. */
  readonly ns?: string | undefined
  /** The value of a request header by its lower-case name. */
  readonly header: (name: string) => string | undefined
  /** The repository as it stands in the path; its first component may be a registry, and then may have a port. */
  readonly repository: string
  readonly listenerNamespace?: string | undefined
  readonly digest?: Digest | undefined
}

/** What settled the namespace. */
export type NamespaceVia = 'authority' | 'ns' | 'header' | 'path' | 'listener' | 'history' | 'default'

export interface ResolvedOrigin {
  readonly origin: OriginRef
  readonly via: NamespaceVia
}

export interface NamespaceResolverInit {
  /** Whether a namespace, in its canonical spelling, may be served at all. */
  readonly allows: (namespace: string) => boolean
  /** Where requests go that say nothing. */
  readonly defaultNamespace?: string | undefined
  /** Headers that name the registry besides the standard ones, as operators put them into hosts.toml. */
  readonly extraHeaders?: readonly string[] | undefined
}

export interface NamespaceResolverComponents {
  readonly history: DigestHistory
}

/** Ours, and the one later drafts of the distribution specification answer with. */
const STANDARD_HEADERS = ['x-shoal-ns', 'oci-namespace']

/**
 * Tells which registry a request means. What a request says in so many words (absolute URL, `ns`, header) counts or the
 * request is refused; what has to be guessed (path, listener, digest history, default) falls through to the next guess.
 * Every answer is on the allow-list, so no request makes this process dial a host of the caller's choice.
 */
export class NamespaceResolver {
  readonly #allows: (namespace: string) => boolean
  readonly #defaultNamespace: string | undefined
  readonly #headers: readonly string[]
  readonly #history: DigestHistory

  constructor(init: NamespaceResolverInit, components: NamespaceResolverComponents) {
    this.#allows = init.allows
    this.#defaultNamespace = init.defaultNamespace
    this.#headers = [...STANDARD_HEADERS, ...(init.extraHeaders ?? []).map((name) => name.toLowerCase())]
    this.#history = components.history
  }

  /** The origin that is meant, `undefined` when that is not one this mirror serves. */
  resolve(query: NamespaceQuery): ResolvedOrigin | undefined {
    const named = this.#named(query)
    if (named !== undefined) return this.#explicit(named.text, query.repository, named.via)
    return this.#fromPath(query.repository) ?? this.#guessed(query)
  }

  #named(query: NamespaceQuery): { text: string; via: NamespaceVia } | undefined {
    if (query.authority !== undefined) return { text: query.authority, via: 'authority' }
    if (query.ns !== undefined && query.ns !== '') return { text: query.ns, via: 'ns' }
    for (const name of this.#headers) {
      const text = query.header(name)?.trim()
      if (text !== undefined && text !== '') return { text, via: 'header' }
    }
    return undefined
  }

  #explicit(text: string, path: string, via: NamespaceVia): ResolvedOrigin | undefined {
    const namespace = normalizeNamespace(text)
    if (namespace === undefined) return undefined
    // With override_path the registry stands in the path as well as in `ns`.
    const split = splitRegistry(path)
    return this.#answer(namespace, split?.namespace === namespace ? split.repository : path, via)
  }

  #fromPath(path: string): ResolvedOrigin | undefined {
    const split = splitRegistry(path)
    return split === undefined ? undefined : this.#answer(split.namespace, split.repository, 'path')
  }

  #guessed({ repository, listenerNamespace, digest }: NamespaceQuery): ResolvedOrigin | undefined {
    if (listenerNamespace !== undefined) return this.#explicit(listenerNamespace, repository, 'listener')
    return this.#fromHistory(repository, digest) ?? this.#fromDefault(repository)
  }

  /** Only a place of the same repository counts: the digest alone would let a caller name any repository it likes. */
  #fromHistory(repository: string, digest: Digest | undefined): ResolvedOrigin | undefined {
    if (digest === undefined) return undefined
    for (const seen of this.#history.originsOf(digest)) {
      if (seen.repository !== canonicalRepository(seen.namespace, repository)) continue
      const resolved = this.#answer(seen.namespace, repository, 'history')
      if (resolved !== undefined) return resolved
    }
    return undefined
  }

  #fromDefault(repository: string): ResolvedOrigin | undefined {
    return this.#defaultNamespace === undefined
      ? undefined
      : this.#explicit(this.#defaultNamespace, repository, 'default')
  }

  #answer(namespace: string, repository: string, via: NamespaceVia): ResolvedOrigin | undefined {
    if (!isRepositoryName(repository) || !this.#allows(namespace)) return undefined
    return { origin: { namespace, repository: canonicalRepository(namespace, repository) }, via }
  }
}

function splitRegistry(path: string): { namespace: string; repository: string } | undefined {
  const slash = path.indexOf('/')
  if (slash <= 0 || slash === path.length - 1) return undefined
  const namespace = namespaceOfComponent(path.slice(0, slash))
  return namespace === undefined ? undefined : { namespace, repository: path.slice(slash + 1) }
}
