import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { isAbort, ShoalError } from '../core/index.ts'
import { parseImageReference, parsePlatform } from '../oci/index.ts'
import { z } from 'zod'
import type { AdminCall, EndpointComponents } from './call.ts'
import { sendError } from './send.ts'

/** A reference has at most 259 characters of host, 255 of repository and a digest. */
const MAX_BODY_BYTES = 4096

const EXPECTED = 'send {"reference": "registry/repository:tag"}'

/** As long as a reference may be without filling a screen. */
const MAX_SHOWN_CHARS = 300

const pullRequest = z.object(
  {
    reference: z.string(EXPECTED).refine((text) => parseImageReference(text) !== undefined, {
      error: ({ input }) => `${shown(input)} is not an image reference, such as docker.io/library/nginx:1.27`,
    }),
    platform: z
      .string(EXPECTED)
      .refine((text) => parsePlatform(text) !== undefined, {
        error: ({ input }) => `${shown(input)} is not a platform, such as linux/arm64`,
      })
      .optional(),
  },
  EXPECTED,
)

/**
 * `POST /pull` with `{"reference": "..."}`: one line of JSON for each step, as it happens; the last one has the type `error` when
 * the pull failed. Hanging up ends the pull. Wants a header that a page in a browser cannot send across sites without leave.
 */
export async function answerPull(
  { request, response, signal }: AdminCall,
  { callbacks, trustedHosts }: EndpointComponents,
): Promise<void> {
  if (request.headers['x-shoal-admin'] !== '1')
    return sendError(response, 403, 'HEADER_MISSING', 'send the header x-shoal-admin: 1')
  if (!isTrustedHost(request.headers.host, trustedHosts))
    return sendError(response, 403, 'HOST_UNKNOWN', 'ask by address or as localhost')
  const body = await readBody(request)
  if (body === undefined) return sendError(response, 413, 'BODY_TOO_LARGE', `at most ${MAX_BODY_BYTES} bytes`)
  const asked = pullRequest.safeParse(parseJson(body))
  if (!asked.success) return sendError(response, 400, 'REQUEST_INVALID', asked.error.issues[0]?.message ?? EXPECTED)
  const { reference, platform } = asked.data
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-content-type-options': 'nosniff' })
  await writeLines(response, callbacks.pull(reference, { platform, signal }), signal)
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

function shown(input: unknown): string {
  return String(input).slice(0, MAX_SHOWN_CHARS)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function writeLines(response: ServerResponse, steps: AsyncIterable<object>, signal: AbortSignal): Promise<void> {
  try {
    for await (const step of steps) {
      if (signal.aborted) return
      if (!response.write(`${JSON.stringify(step)}\n`)) await drained(response)
    }
  } catch (error) {
    if (signal.aborted || isAbort(error)) return
    response.write(`${JSON.stringify({ type: 'error', ...describe(error) })}\n`)
  } finally {
    response.end()
  }
}

function describe(error: unknown): { code: string; message: string } {
  const code = error instanceof ShoalError ? error.code : 'INTERNAL'
  return { code, message: error instanceof Error ? error.message : String(error) }
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.closed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve)
  response.once('close', resolve)
  await promise
  response.off('drain', resolve)
  response.off('close', resolve)
}
