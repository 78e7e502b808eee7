import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { AdminCall, EndpointComponents } from './call.ts'
import { sendError } from './send.ts'

/** A reference has at most 259 characters of host, 255 of repository and a digest; all limits together have fewer. */
const MAX_BODY_BYTES = 4096

/**
 * What the body of a request that changes something says, `undefined` inside when it is no JSON. Whoever may not ask is
 * answered here, and the result is `undefined`. Wants a header that a page in a browser cannot send across sites without leave.
 */
export async function readTrustedJson(
  { request, response }: AdminCall,
  { trustedHosts }: EndpointComponents,
): Promise<{ readonly value: unknown } | undefined> {
  if (request.headers['x-shoal-admin'] !== '1') {
    sendError(response, 403, 'HEADER_MISSING', 'send the header x-shoal-admin: 1')
    return undefined
  }
  if (!isTrustedHost(request.headers.host, trustedHosts)) {
    sendError(response, 403, 'HOST_UNKNOWN', 'ask by address or as localhost')
    return undefined
  }
  const body = await readBody(request)
  if (body === undefined) {
    sendError(response, 413, 'BODY_TOO_LARGE', `at most ${MAX_BODY_BYTES} bytes`)
    return undefined
  }
  return { value: parseJson(body) }
}

/** A page whose name was made to point here would pass for the same site; it cannot make itself an address or `localhost`. */
function isTrustedHost(host: string | undefined, trustedHosts: readonly string[]): boolean {
  const url = host === undefined ? null : URL.parse(`http://${host}`)
  if (url === null) return false
  const name = url.hostname.replace(/^\[|\]$/g, '')
  return name === 'localhost' || isIP(name) !== 0 || trustedHosts.includes(name)
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  // Not destroyed when left early, or the client would see a reset in place of the 413.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
