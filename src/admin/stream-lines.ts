import type { ServerResponse } from 'node:http'
import { isAbort, ShoalError } from '../core/index.ts'

/** Answers 200 with one line of JSON for each step as it happens; the last one has the type `error` when they end with one. */
export async function streamLines(
  response: ServerResponse,
  steps: AsyncIterable<object>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-content-type-options': 'nosniff' })
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
