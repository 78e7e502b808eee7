import { parseDuration } from '../config/index.ts'
import { z } from 'zod'
import type { AdminCall, EndpointComponents } from './call.ts'
import { platformField, referenceField, shown } from './image-fields.ts'
import { readTrustedJson } from './json-request.ts'
import { sendError } from './send.ts'
import { streamLines } from './stream-lines.ts'

const EXPECTED = 'send {"reference": "registry/repository:tag", "nodes": "all"}'

const NODES = 'nodes is "all", a number from 1 to 10000, or {"zone": "NAME"}'

/** More nodes than any cluster that Shoal was thought of for. */
const MAX_NODES = 10_000

/** A large image over slow links takes less; who was forgotten is not worked on for ever. */
const DEFAULT_TIMEOUT_MS = 3_600_000

/** A day is what a peer grants at most. */
const MAX_TIMEOUT_MS = 24 * 3_600_000

const nodesSchema = z.union([
  z.literal('all'),
  z.int().min(1).max(MAX_NODES),
  z.strictObject({ zone: z.string().min(1).max(255) }),
])

/** One message for whatever is wrong, in place of one for each form that it might have had. */
const nodes = z.unknown().transform((value, context) => {
  const parsed = nodesSchema.safeParse(value)
  if (parsed.success) return parsed.data
  context.addIssue({ code: 'custom', message: NODES })
  return z.NEVER
})

const timeout = z.string().transform((text, context) => {
  const durationMs = parseDuration(text)
  if (durationMs !== undefined && durationMs > 0 && durationMs <= MAX_TIMEOUT_MS) return durationMs
  context.addIssue({ code: 'custom', message: `${shown(text)} is not a time from 1ms to 24h, such as 30m` })
  return z.NEVER
})

const prefetchRequest = z.strictObject(
  {
    reference: referenceField(EXPECTED),
    nodes: nodes.default('all'),
    platform: platformField(EXPECTED),
    timeout: timeout.default(DEFAULT_TIMEOUT_MS),
    detach: z.boolean('detach is true or false').default(false),
  },
  {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `${shown(issue.keys)} is no field: ${EXPECTED}` : EXPECTED),
  },
)

/**
 * `POST /prefetch` with `{"reference": "...", "nodes": "all" | N | {"zone": "..."}}`: one line of JSON for each step. Hanging up
 * cancels it on all nodes, unless `"detach": true`.
 */
export async function answerPrefetch(call: AdminCall, components: EndpointComponents): Promise<void> {
  const body = await readTrustedJson(call, components)
  if (body === undefined) return
  const { response, signal } = call
  const asked = prefetchRequest.safeParse(body.value)
  if (!asked.success) return sendError(response, 400, 'REQUEST_INVALID', asked.error.issues[0]?.message ?? EXPECTED)
  const { timeout: timeoutMs, detach: isDetached, ...request } = asked.data
  await streamLines(response, components.callbacks.prefetch({ ...request, timeoutMs, isDetached }, { signal }), signal)
}
