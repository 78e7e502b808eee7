import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from './fault-registry-faults.ts'

/** The right answer to a request, before anything goes wrong with it. */
export interface RightAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Buffer
}

const BYTES = /^bytes=(\d+)-(\d*)$/

/** What is written at once: the size of a socket buffer's share. */
const PIECE_BYTES = 64 * 1024

/** How often a slow body writes its next piece. */
const SLOW_TICK_MS = 20

/** The right answer to a GET of `content` with this Range header. */
export function ranged(
  content: Buffer,
  range: string | undefined,
  headers: Readonly<Record<string, string>>,
): RightAnswer {
  const asked = BYTES.exec(range ?? '')
  const common = { ...headers, 'accept-ranges': 'bytes' }
  if (asked === null)
    return { status: 200, headers: { ...common, 'content-length': content.byteLength }, body: content }
  const start = Number(asked[1])
  const end = Math.min(asked[2] === '' ? content.byteLength : Number(asked[2]) + 1, content.byteLength)
  if (start >= end) {
    return {
      status: 416,
      headers: { 'content-range': `bytes */${content.byteLength}`, 'content-length': 0 },
      body: Buffer.alloc(0),
    }
  }
  const contentRange = `bytes ${start}-${end - 1}/${content.byteLength}`
  return {
    status: 206,
    headers: { ...common, 'content-range': contentRange, 'content-length': end - start },
    body: content.subarray(start, end),
  }
}

/** Sends `right` with what `fault` does to it; returns the number of body bytes sent. Resolves when the answer is over. */
export async function sendFaulty(
  request: IncomingMessage,
  response: ServerResponse,
  right: RightAnswer,
  fault: Fault | undefined,
): Promise<number> {
  if (fault?.kind === 'stall' && fault.afterBytes === 'nothing') return 0
  const { status, headers, body } = spoil(right, fault)
  response.writeHead(status, headers)
  if (request.method === 'HEAD') {
    response.end()
    return 0
  }
  if (fault?.kind === 'slow') return await sendSlowly(response, body, fault.bytesPerSecond)
  if (fault?.kind === 'cut' || fault?.kind === 'reset' || fault?.kind === 'stall') {
    const afterBytes = fault.afterBytes === 'nothing' ? 0 : fault.afterBytes
    return await sendPart(response, body.subarray(0, afterBytes), fault.kind)
  }
  return await sendWhole(response, body)
}

/** Writes no faster than the client reads, so that what is counted is what left. */
async function sendWhole(response: ServerResponse, body: Buffer): Promise<number> {
  let sent = 0
  while (sent < body.byteLength && !response.destroyed) {
    const piece = body.subarray(sent, sent + PIECE_BYTES)
    sent += piece.byteLength
    if (!response.write(piece)) await drainedOrClosed(response)
  }
  response.end()
  return sent
}

async function drainedOrClosed(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve).once('close', resolve)
  await promise
  response.off('drain', resolve).off('close', resolve)
}

function spoil(right: RightAnswer, fault: Fault | undefined): RightAnswer {
  switch (fault?.kind) {
    case 'status':
      return { status: fault.status, headers: { 'content-length': 0, ...fault.headers }, body: Buffer.alloc(0) }
    case 'throttle':
      return {
        status: 429,
        headers: { 'content-length': 0, 'retry-after': fault.retryAfterSeconds },
        body: Buffer.alloc(0),
      }
    case 'redirect':
      return { status: 307, headers: { 'content-length': 0, location: fault.location }, body: Buffer.alloc(0) }
    case 'content-range':
      return { ...right, headers: without({ ...right.headers, 'content-range': fault.value }) }
    case 'headers':
      return { ...right, headers: without({ ...right.headers, ...fault.headers }) }
    case 'wrong-length':
      return lengthened(right, fault.deltaBytes)
    case 'corrupt': {
      const body = Buffer.from(right.body)
      body[fault.atByte] = (body[fault.atByte] ?? 0) ^ 0xff
      return { ...right, body }
    }
    default:
      return right
  }
}

function lengthened(right: RightAnswer, deltaBytes: number): RightAnswer {
  const sizeBytes = Math.max(0, right.body.byteLength + deltaBytes)
  const body = Buffer.concat([right.body, Buffer.alloc(Math.max(0, deltaBytes))]).subarray(0, sizeBytes)
  return { ...right, headers: { ...right.headers, 'content-length': sizeBytes }, body }
}

function without(headers: Readonly<Record<string, string | number | undefined>>): Record<string, string | number> {
  const present = Object.entries(headers).filter((entry): entry is [string, string | number] => entry[1] !== undefined)
  return Object.fromEntries(present)
}

async function sendPart(response: ServerResponse, part: Buffer, how: 'cut' | 'reset' | 'stall'): Promise<number> {
  response.flushHeaders()
  await new Promise<void>((resolve) => response.write(part, () => resolve()))
  if (how === 'cut') response.socket?.end()
  if (how === 'reset') {
    // Time for the client to read what was sent: a RST throws away what is still in its receive buffer.
    await sleep(SLOW_TICK_MS)
    response.socket?.resetAndDestroy()
  }
  return part.byteLength
}

async function sendSlowly(response: ServerResponse, body: Buffer, bytesPerSecond: number): Promise<number> {
  const pieceBytes = Math.max(1, Math.round((bytesPerSecond * SLOW_TICK_MS) / 1000))
  let sent = 0
  while (sent < body.byteLength && !response.destroyed) {
    await sleep(SLOW_TICK_MS)
    response.write(body.subarray(sent, sent + pieceBytes))
    sent = Math.min(sent + pieceBytes, body.byteLength)
  }
  response.end()
  return sent
}
