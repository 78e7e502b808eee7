import { type Digest, parseDigest } from '../core/index.ts'
import { isRepositoryName, parseReference, type Reference } from './names.ts'
import { splitNamespace } from './namespace.ts'
import type { OciErrorCode } from './oci-error.ts'

/** Longest path looked at: the longest legal one has about 600 characters. */
const MAX_PATH_LENGTH = 4096

/** A request path of the distribution API. `name` may begin with a registry host, which `splitNamespace` cuts off. */
export type DistributionPath =
  | { readonly kind: 'base' }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: Reference }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'upload'; readonly name: string }
  | { readonly kind: 'invalid'; readonly code: OciErrorCode }

/**
 * Parses the path of a request, without its query. `undefined` when it is not part of the distribution API; `invalid` with the
 * code to answer when it is, but the name, tag or digest in it breaks the grammar. Names contain slashes and may contain the
 * words `blobs` and `manifests`, so it is read from its end.
 */
export function parseDistributionPath(path: string): DistributionPath | undefined {
  if (path.length > MAX_PATH_LENGTH) return undefined
  if (path === '/v2/' || path === '/v2') return { kind: 'base' }
  const plain = decodeColons(path)
  if (plain === undefined || !plain.startsWith('/v2/')) return undefined

  const segments = plain.slice('/v2/'.length).split('/')
  const upload = segments.lastIndexOf('uploads')
  if (upload > 1 && segments[upload - 1] === 'blobs' && segments.length - upload <= 2) {
    return named(segments.slice(0, upload - 1), (name) => ({ kind: 'upload', name }))
  }
  const last = segments.pop() ?? ''
  const kind = segments.pop()
  if (segments.length === 0) return undefined
  switch (kind) {
    case 'manifests':
      return named(segments, (name) => manifestPath(name, last))
    case 'blobs':
      return named(segments, (name) => digestPath('blob', name, last))
    case 'referrers':
      return named(segments, (name) => digestPath('referrers', name, last))
    case 'tags':
      return last === 'list' ? named(segments, (name) => ({ kind: 'tags', name })) : undefined
    default:
      return undefined
  }
}

// Nothing legal needs percent-encoding but the colon, which some clients encode in digests and ports. Decoding no more than
// that leaves no second spelling of a slash or a dot to be caught by.
function decodeColons(path: string): string | undefined {
  const decoded = path.replace(/%3a/gi, ':')
  return decoded.includes('%') ? undefined : decoded
}

function named(segments: readonly string[], make: (name: string) => DistributionPath): DistributionPath {
  const name = segments.join('/')
  if (isRepositoryName(name) || isRepositoryName(splitNamespace(name).repository)) return make(name)
  return { kind: 'invalid', code: 'NAME_INVALID' }
}

function manifestPath(name: string, text: string): DistributionPath {
  const reference = parseReference(text)
  if (reference !== undefined) return { kind: 'manifest', name, reference }
  // A text with a colon was meant as a digest; a bad tag cannot exist, so it is unknown (conformance suite, "pull").
  return { kind: 'invalid', code: text.includes(':') ? 'DIGEST_INVALID' : 'MANIFEST_UNKNOWN' }
}

function digestPath(kind: 'blob' | 'referrers', name: string, text: string): DistributionPath {
  const digest = parseDigest(text)
  return digest === undefined ? { kind: 'invalid', code: 'DIGEST_INVALID' } : { kind, name, digest }
}
