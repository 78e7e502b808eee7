import type { ServerResponse } from 'node:http'
import { isAbort, ShoalError } from '../core/index.ts'
import { parseImageReference, parsePlatform } from '../oci/index.ts'
import { z } from 'zod'
import type { AdminCall, EndpointComponents } from './call.ts'
import { readTrustedJson } from './json-request.ts'
import { sendError } from './send.ts'

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
 * the pull failed. Hanging up ends the pull.
 */
export async function answerPull(call: AdminCall, components: EndpointComponents): Promise<void> {
  const body = await readTrustedJson(call, components)
  if (body === undefined) return
  const { response, signal } = call
  const asked = pullRequest.safeParse(body.value)
  if (!asked.success) return sendError(response, 400, 'REQUEST_INVALID', asked.error.issues[0]?.message ?? EXPECTED)
  const { reference, platform } = asked.data
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-content-type-options': 'nosniff' })
  await writeLines(response, components.callbacks.pull(reference, { platform, signal }), signal)
}

function shown(input: unknown): string {
  return String(input).slice(0, MAX_SHOWN_CHARS)
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
