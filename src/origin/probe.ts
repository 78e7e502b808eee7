import type { Clock } from '../core/index.ts'
import { MANIFEST_ACCEPT, parseReference, referenceText } from '../oci/index.ts'
import { OriginRequestError } from './errors.ts'
import { isRedirect } from './redirect-policy.ts'
import type { Registry, RegistryRequest, Reply } from './registry.ts'
import { failureOf } from './reply-failure.ts'
import type { Identity, OriginCallOptions } from './settings.ts'

/** What a caller's right is tried on: a manifest by tag or digest (`kind` left out), a blob by digest, or the list of tags (no reference). */
export interface ProbeTarget {
  readonly kind?: 'manifest' | 'blob' | 'tags' | undefined
  readonly reference: string
}

/** What the origin says to a caller: let in (also without any credentials?), asked for credentials by these raw WWW-Authenticate values, or not let in. */
export type ProbeResult =
  | { readonly outcome: 'allowed'; readonly anonymous: boolean }
  | { readonly outcome: 'challenge'; readonly challenges: readonly string[] }
  | { readonly outcome: 'denied' }
  | { readonly outcome: 'missing' }

export interface ProbePlace {
  readonly registry: Registry
  readonly repository: string
  readonly target: ProbeTarget
  readonly clock: Clock
}

/**
 * Asks the origin with exactly the caller's Authorization, or anonymously when there is none, never with the agent's own credentials.
 * Throws when the origin cannot be asked.
 */
export async function probe(place: ProbePlace, options: OriginCallOptions): Promise<ProbeResult> {
  const { authorization } = options
  const identity: Identity = authorization === undefined ? { kind: 'anonymous' } : { kind: 'caller', authorization }
  const judge = (reply: Reply) => verdict(reply, identity, place.clock)
  const result = await place.registry.read(requestFor(place, 'HEAD'), identity, options, judge)
  if (result !== 'ask with GET') return result
  const second = await place.registry.read(requestFor(place, 'GET'), identity, options, judge)
  return second === 'ask with GET' ? { outcome: 'denied' } : second
}

function requestFor({ repository, target }: ProbePlace, method: 'GET' | 'HEAD'): RegistryRequest {
  if (target.kind === 'tags') {
    // Registries answer this only to GET; one tag is enough of an answer.
    const headers = { accept: 'application/json' }
    return { method: 'GET', repository, path: 'tags/list?n=1', headers, urgency: 'document' }
  }
  const reference = parseReference(target.reference)
  if (reference === undefined) throw new OriginRequestError('not a tag or sha256 digest')
  const kind = target.kind ?? 'manifest'
  if (kind === 'blob' && reference.kind !== 'digest') throw new OriginRequestError('a blob has a digest, not a tag')
  return {
    method,
    repository,
    path: `${kind}s/${referenceText(reference)}`,
    headers: { accept: kind === 'manifest' ? MANIFEST_ACCEPT : '*/*' },
    urgency: 'document',
    // Being sent on to the storage is the yes; asking there would need the very method the URL was signed for.
    redirects: kind === 'blob' ? 'stop' : 'follow',
  }
}

function verdict(reply: Reply, identity: Identity, clock: Clock): ProbeResult | 'ask with GET' {
  const { status } = reply.answer
  const isAnonymous = identity.kind === 'anonymous'
  if ((status >= 200 && status < 300) || isRedirect(status)) return { outcome: 'allowed', anonymous: isAnonymous }
  if (status === 404) return { outcome: 'missing' }
  if (status === 405) return 'ask with GET'
  // Refused with an anonymous token after a challenge: with credentials it may be different.
  const canChallenge = status === 401 || (status === 403 && isAnonymous)
  if (canChallenge && reply.challenges.length > 0) return { outcome: 'challenge', challenges: reply.challenges }
  if (status === 401 || status === 403) return { outcome: 'denied' }
  throw failureOf(reply, clock)
}
