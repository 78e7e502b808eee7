/**
 * What a request line points at. `authority` is set when it names a host of its own: a forward-proxy request
 * (`GET http://registry/v2/...`), or a path that carries a whole URL (`/dadip2p/https://registry/v2/...`).
 */
export interface RequestTarget {
  readonly path: string
  readonly query: URLSearchParams
  readonly authority?: string
  /** The path carried a whole URL; only blobs are asked for so. */
  readonly isPeerToPeerPath: boolean
}

/** The forms of overlaybd's p2pConfig and of peerd; a tidied path has one slash after the scheme. */
const PEER_TO_PEER_PATH = /^\/(?:dadip2p|blobs)\/(https?):\/{1,2}([^/].*)$/i
const ABSOLUTE_FORM = /^https?:\/\//i

/** Longest request target looked at: signed storage URLs inside a path reach 4 KiB. */
export const MAX_TARGET_LENGTH = 16_384

/** Reads the request target, `undefined` when it is not one (RFC 9112, section 3.2). */
export function parseRequestTarget(text: string): RequestTarget | undefined {
  if (text.length > MAX_TARGET_LENGTH) return undefined
  const carried = PEER_TO_PEER_PATH.exec(text)
  if (carried !== null) return ofUrl(`${carried[1]}://${carried[2]}`, true)
  if (ABSOLUTE_FORM.test(text)) return ofUrl(text, false)
  if (!text.startsWith('/')) return undefined
  const mark = text.indexOf('?')
  const path = mark === -1 ? text : text.slice(0, mark)
  return { path, query: new URLSearchParams(mark === -1 ? '' : text.slice(mark + 1)), isPeerToPeerPath: false }
}

function ofUrl(text: string, isPeerToPeerPath: boolean): RequestTarget | undefined {
  const url = URL.parse(text)
  if (url === null) return undefined
  return { path: url.pathname, query: url.searchParams, authority: url.host, isPeerToPeerPath }
}
