import type { ServerResponse } from 'node:http'

/** Sends a whole text; HEAD gets its headers only. */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  const headers = {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
  }
  response.writeHead(status, headers).end(response.req.method === 'HEAD' ? undefined : text)
}

/** Sends a whole JSON document with a line end, for people at a terminal. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, `${JSON.stringify(value)}\n`, 'application/json')
}

/** Sends an error as `{"code", "message"}`. */
export function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { code, message })
}
