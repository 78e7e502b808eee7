import type { RangeRequest } from './byte-ranges.ts'

/**
 * Who asks, by what it does when we fail it. `containerd` goes to the next host for that one request, so a 404 is cheap.
 * The rest own us once we have said yes: `lazy` snapshotters never leave a mirror that answered their first probe, and
 * `podman` (skopeo, buildah, CRI-O) fails the whole copy when one blob fails. `soci` is a lazy one that waits 3 s for headers.
 */
export type ClientKind = 'containerd' | 'lazy' | 'soci' | 'podman' | 'other'

/** How a client asked. */
export interface ClientTraits {
  readonly userAgent: string | undefined
  /** Whether it used the absolute-URL path of overlaybd's and peerd's clients. */
  readonly usesPeerToPeerPath: boolean
  readonly range: RangeRequest
}

/** The kind of a client, from one request alone: it must hold over restarts of this process. */
export function classifyClient({ userAgent = '', usesPeerToPeerPath, range }: ClientTraits): ClientKind {
  if (usesPeerToPeerPath) return 'lazy'
  if (/^soci/i.test(userAgent)) return 'soci'
  if (/^(?:containers|skopeo|podman|buildah|libpod|cri-o)\b/i.test(userAgent)) return 'podman'
  const isBounded = asksBoundedRange(range)
  // containerd asks for all of a blob or for all from an offset; bounded ranges in its name are a snapshotter's.
  if (/^containerd\//i.test(userAgent)) return isBounded ? 'lazy' : 'containerd'
  return isBounded || /^(?:Go-http-client|stargz|nydus|overlaybd)/i.test(userAgent) ? 'lazy' : 'other'
}

/** Whether a request that we fail is lost to the client, as opposed to made again at the registry. */
export function dependsOnUs(kind: ClientKind): boolean {
  return kind === 'lazy' || kind === 'soci' || kind === 'podman'
}

function asksBoundedRange(range: RangeRequest): boolean {
  if (range.outcome !== 'ranges') return false
  return range.ranges.length > 1 || range.ranges.some((one) => one.kind === 'suffix' || one.last !== undefined)
}

/** The two bytes by which stargz and SOCI find out whether a mirror has a layer; refused there, they use the origin for good. */
export function isLazyProbe(range: RangeRequest): boolean {
  if (range.outcome !== 'ranges' || range.ranges.length !== 1) return false
  const [only] = range.ranges
  return only?.kind === 'from' && only.first === 0 && only.last === 1
}

/**
 * The status for a blob that cannot be served now. 404 sends containerd and a probing lazy client to the origin. Everybody
 * else is ours: 503 makes them try again (stargz for about 1.6 s, SOCI eight times), where a 404 would be final. Never 429
 * or 408, which containerd answers with six requests in a row.
 */
export function failureStatus(
  kind: ClientKind,
  request: { readonly isProbe: boolean; readonly wasAccepted: boolean },
): 404 | 503 {
  if (kind === 'containerd') return 404
  return (kind === 'lazy' || kind === 'soci') && request.isProbe && !request.wasAccepted ? 404 : 503
}
