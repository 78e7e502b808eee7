import { z } from 'zod'
import type { AdminCall, EndpointComponents } from './call.ts'
import { platformField, referenceField } from './image-fields.ts'
import { readTrustedJson } from './json-request.ts'
import { sendError } from './send.ts'
import { streamLines } from './stream-lines.ts'

const EXPECTED = 'send {"reference": "registry/repository:tag"}'

const pullRequest = z.object({ reference: referenceField(EXPECTED), platform: platformField(EXPECTED) }, EXPECTED)

/** `POST /pull` with `{"reference": "..."}`: one line of JSON for each step. Hanging up ends the pull. */
export async function answerPull(call: AdminCall, components: EndpointComponents): Promise<void> {
  const body = await readTrustedJson(call, components)
  if (body === undefined) return
  const { response, signal } = call
  const asked = pullRequest.safeParse(body.value)
  if (!asked.success) return sendError(response, 400, 'REQUEST_INVALID', asked.error.issues[0]?.message ?? EXPECTED)
  const { reference, platform } = asked.data
  await streamLines(response, components.callbacks.pull(reference, { platform, signal }), signal)
}
