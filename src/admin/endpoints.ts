import type { ServerResponse } from 'node:http'
import type { AdminCall, EndpointComponents, Health } from './call.ts'
import { answerLimitsChange } from './limits-endpoint.ts'
import { answerPrefetch } from './prefetch-endpoint.ts'
import { answerPull } from './pull-endpoint.ts'
import { sendJson, sendText } from './send.ts'

type Endpoint = (call: AdminCall, components: EndpointComponents) => void | Promise<void>

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ['GET /livez', ({ response }, { callbacks }) => sendHealth(response, callbacks.live())],
  ['GET /readyz', ({ response }, { callbacks }) => sendHealth(response, callbacks.ready())],
  [
    'GET /metrics',
    async ({ response }, { metrics }) => sendText(response, 200, await metrics.render(), metrics.contentType),
  ],
  ['GET /status', async ({ response }, { callbacks }) => sendJson(response, 200, await callbacks.status())],
  ['POST /pull', answerPull],
  ['POST /prefetch', answerPrefetch],
  ['GET /limits', ({ response }, { callbacks }) => sendJson(response, 200, callbacks.limits())],
  ['PUT /limits', answerLimitsChange],
])

const LISTING = `Endpoints:\n${Array.from(ENDPOINTS.keys(), (name) => `  ${name}\n`).join('')}`

/** Answers one request; whatever is not an endpoint gets 404 with a list of those there are. */
export async function answerCall(call: AdminCall, components: EndpointComponents): Promise<void> {
  const { method = '', url = '' } = call.request
  const path = url.split('?', 1)[0] ?? ''
  const endpoint = ENDPOINTS.get(`${method === 'HEAD' ? 'GET' : method} ${path}`)
  if (endpoint === undefined) sendText(call.response, 404, LISTING)
  else await endpoint(call, components)
}

function sendHealth(response: ServerResponse, { isHealthy, reasons }: Health): void {
  sendJson(response, isHealthy ? 200 : 503, { ok: isHealthy, reasons })
}
