import type { Digest, OriginRef } from '../core/index.ts'
import { type DistributionPath, type OciErrorCode, parseDistributionPath, type Reference } from '../oci/index.ts'
import type { NamespaceResolver, NamespaceVia } from './namespace-resolver.ts'
import type { RequestTarget } from './request-target.ts'

/** One request of the distribution API, its registry settled. */
export type Route =
  | { readonly kind: 'base' }
  | ({ readonly kind: 'manifest'; readonly reference: Reference } & Place)
  | ({ readonly kind: 'blob'; readonly digest: Digest } & Place)
  | ({ readonly kind: 'referrers'; readonly digest: Digest } & Place)
  | ({ readonly kind: 'tags' } & Place)
  | {
      readonly kind: 'refused'
      readonly status: 400 | 404 | 405 | 414
      readonly code: OciErrorCode
      readonly message: string
    }

/** Where the requested thing lives, as the origin names it and as the client did. */
export interface Place {
  readonly origin: OriginRef
  readonly via: NamespaceVia
  /** The name in the path, for links back to this mirror. */
  readonly requestedName: string
}

export interface RouterInput {
  readonly target: RequestTarget
  readonly method: string
  readonly header: (name: string) => string | undefined
  readonly listenerNamespace?: string | undefined
}

/** containerd's folder name for host:5000, which the grammar of names does not allow. */
const UNDERSCORED_REGISTRY = /^\/v2\/([^/]+)_(\d{1,5})_\//

type NamedPath = Extract<DistributionPath, { name: string; kind: 'manifest' | 'blob' | 'tags' | 'referrers' }>

/** What is asked, of which registry; refusals included, so that every request has exactly one route. */
export function routeRequest(input: RouterInput, resolver: NamespaceResolver): Route {
  const path = parseDistributionPath(input.target.path.replace(UNDERSCORED_REGISTRY, '/v2/$1:$2/'))
  const isRead = input.method === 'GET' || input.method === 'HEAD'
  if (!isRead) return refuse(405, 'UNSUPPORTED', 'this mirror is read-only')
  if (path === undefined) return refuse(404, 'UNSUPPORTED', 'not part of the distribution API')
  if (path.kind === 'invalid') return invalid(path.code)
  if (path.kind === 'upload') return refuse(405, 'UNSUPPORTED', 'this mirror is read-only')
  if (input.target.isPeerToPeerPath && path.kind !== 'blob')
    return refuse(404, 'UNSUPPORTED', 'only blobs are served here')
  return path.kind === 'base' ? path : place(path, input, resolver)
}

function place(path: NamedPath, input: RouterInput, resolver: NamespaceResolver): Route {
  const resolved = resolver.resolve({
    authority: input.target.authority,
    ns: input.target.query.get('ns') ?? undefined,
    header: input.header,
    repository: path.name,
    listenerNamespace: input.listenerNamespace,
    digest: digestOfPath(path),
  })
  if (resolved === undefined) return refuse(404, 'NAME_UNKNOWN', 'no registry is served for this name')
  const where = { ...resolved, requestedName: path.name }
  switch (path.kind) {
    case 'manifest':
      return { kind: 'manifest', reference: path.reference, ...where }
    case 'tags':
      return { kind: 'tags', ...where }
    case 'blob':
      return { kind: 'blob', digest: path.digest, ...where }
    case 'referrers':
      return { kind: 'referrers', digest: path.digest, ...where }
  }
}

function digestOfPath(path: NamedPath): Digest | undefined {
  if (path.kind === 'tags') return undefined
  if (path.kind !== 'manifest') return path.digest
  return path.reference.kind === 'digest' ? path.reference.digest : undefined
}

function invalid(code: OciErrorCode): Route {
  if (code === 'MANIFEST_UNKNOWN') return refuse(404, code, 'not a tag')
  return refuse(400, code, code === 'DIGEST_INVALID' ? 'not a sha256 digest' : 'not a repository name')
}

function refuse(status: 400 | 404 | 405, code: OciErrorCode, message: string): Route {
  return { kind: 'refused', status, code, message }
}
