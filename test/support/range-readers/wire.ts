import assert from 'node:assert/strict'
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { type RangeLayer, sha256Of } from './lab.ts'

/** Longest time for a whole answer; a stuck one must not stop the suite. */
const ANSWER_LIMIT_MS = 20_000

export interface WireRequest {
  readonly method?: 'GET' | 'HEAD'
  /** The request target as it stands in the request line. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** The client gives up when the headers are not there by then. */
  readonly headerDeadlineMs?: number
  /** The client hangs up when it has so many bytes of the body. */
  readonly takeBytes?: number
}

export interface WireAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** The connections of one client to one listener of an agent. */
export class Wire implements Disposable {
  readonly #port: number
  readonly #agent: Agent

  /** `isKeptAlive` false: a connection for each request. */
  constructor(port: number, isKeptAlive = true) {
    this.#port = port
    this.#agent = new Agent({ keepAlive: isKeptAlive })
  }

  /** Sends one request; throws when the client would have given up. */
  async send({ method = 'GET', target, headers, headerDeadlineMs, takeBytes }: WireRequest): Promise<WireAnswer> {
    const outgoing = request({
      host: '127.0.0.1',
      port: this.#port,
      method,
      path: target,
      headers,
      agent: this.#agent,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    })
    const incoming = await headersOf(outgoing, headerDeadlineMs ?? ANSWER_LIMIT_MS)
    const body = await bodyOf(incoming, takeBytes ?? Number.POSITIVE_INFINITY)
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

/** Asserts a plain 206 with exactly the bytes [start, end) of the layer, or the beginning of them that the client took. */
export function assertPart(
  layer: RangeLayer,
  answer: WireAnswer,
  start: number,
  end: number,
  takenBytes = end - start,
): void {
  const { status, headers, body } = answer
  const where = `bytes ${start}-${end - 1}`
  assert.equal(status, 206, where)
  assertPartHeaders(headers)
  assert.equal(headers['content-type'], 'application/octet-stream')
  assert.equal(headers['content-range'], `${where}/${layer.bytes.byteLength}`)
  assert.equal(headers['content-length'], String(end - start))
  assert.equal(sha256Of(body), sha256Of(layer.bytes.subarray(start, start + takenBytes)), where)
}

/** Asserts what every answer with a part of a layer must say. */
export function assertPartHeaders(headers: IncomingHttpHeaders): void {
  assert.equal(headers['accept-ranges'], 'bytes')
  assert.equal(headers['content-encoding'], undefined)
  assert.equal(headers['transfer-encoding'], undefined)
}

async function headersOf(outgoing: ReturnType<typeof request>, deadlineMs: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  outgoing.once('response', resolve).once('error', reject)
  const timer = setTimeout(() => outgoing.destroy(new Error(`no headers within ${deadlineMs} ms`)), deadlineMs)
  outgoing.end()
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

async function bodyOf(incoming: IncomingMessage, takeBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let takenBytes = 0
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    pieces.push(piece.subarray(0, takeBytes - takenBytes))
    takenBytes += piece.byteLength
    // Leaving the loop destroys the connection with whatever is still unread.
    if (takenBytes >= takeBytes && !incoming.complete) break
  }
  return Buffer.concat(pieces)
}
