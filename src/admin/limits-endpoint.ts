import { LimitsError, parseLimitsChange } from '../config/index.ts'
import type { AdminCall, EndpointComponents } from './call.ts'
import { readTrustedJson } from './json-request.ts'
import { sendError, sendJson } from './send.ts'

const EXAMPLE = 'send {"upload": {"total": "50MiB/s"}}'

/** `PUT /limits` with the limits to change: all of them or, when one is wrong, none. Answers with what is in force then. */
export async function answerLimitsChange(call: AdminCall, components: EndpointComponents): Promise<void> {
  const body = await readTrustedJson(call, components)
  if (body === undefined) return
  const { response } = call
  if (body.value === undefined) return sendError(response, 400, 'REQUEST_INVALID', `that is no JSON: ${EXAMPLE}`)
  try {
    components.callbacks.changeLimits(parseLimitsChange(body.value))
  } catch (error) {
    if (error instanceof LimitsError) return sendError(response, 400, error.code, error.message)
    throw error
  }
  sendJson(response, 200, components.callbacks.limits())
}
