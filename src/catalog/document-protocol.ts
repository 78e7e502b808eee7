import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { z } from 'zod'
import { type AbortOptions, digestOf, MAX_TRACE_CHUNKS, parseDigest, ShoalError } from '../core/index.ts'
import {
  type ChunkLayout,
  ChunkLayoutError,
  decodeTocLayout,
  encodeTocLayout,
  gridLayout,
  MAX_BLOB_BYTES,
} from '../chunking/index.ts'
import { isRepositoryName, isTag, MAX_MANIFEST_BYTES, normalizeNamespace } from '../oci/index.ts'
import type { DocumentReply, DocumentRequest } from './ports.ts'

/** One request and its reply per stream: a JSON frame each way, followed by the bytes of a manifest. */
export const DOCUMENTS_PROTOCOL = '/shoal/documents/1.0.0'

/** Longest bearer token passed on, as with a follow. */
const MAX_AUTHORIZATION_CHARS = 8_192

/** Places that a blob is said to be at. */
const MAX_ORIGINS = 4

/** One token and some names, or a trace of 512 offsets of up to 13 digits. */
const MAX_HEADER_BYTES = 16 * 1024

/** What stands for a blob cut by its size alone. */
const GRID = 'grid'

/** The peer broke the document protocol. */
export class DocumentProtocolError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'DOCUMENT_PROTOCOL', blame: 'peer', retryable: false, cause })
  }
}

const digest = z.string().transform((text, context) => {
  const parsed = parseDigest(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'not a sha256 digest' })
  return z.NEVER
})

const origin = z.strictObject({
  namespace: z.string().refine((text) => normalizeNamespace(text) !== undefined),
  repository: z.string().refine(isRepositoryName),
})

const descriptor = z.strictObject({
  digest,
  mediaType: z.string().max(255),
  sizeBytes: z.int().min(0).max(MAX_MANIFEST_BYTES),
})

const trace = z
  .strictObject({ sizeBytes: z.int().min(1), offsets: z.array(z.int().min(0)).min(1).max(MAX_TRACE_CHUNKS) })
  .refine(({ sizeBytes, offsets }) => offsets.every((at) => at < sizeBytes) && new Set(offsets).size === offsets.length)

const anchor = z.discriminatedUnion('format', [
  z.strictObject({ format: z.literal('estargz'), digest }),
  z.strictObject({
    format: z.literal('zstd-chunked'),
    digest,
    offset: z.int().min(0),
    sizeBytes: z.int().min(0),
    rawBytes: z.int().min(0),
  }),
])

const grant = origin.extend({ authorization: z.string().max(MAX_AUTHORIZATION_CHARS).optional() })

const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tag'), origin, tag: z.string().refine(isTag) }),
  z.strictObject({ kind: z.literal('manifest'), origin, digest }),
  z.strictObject({ kind: z.literal('public'), origin, digest: digest.optional() }),
  z.strictObject({ kind: z.literal('trace'), digest, offer: trace.optional() }),
  z.strictObject({
    kind: z.literal('layout'),
    ref: z.strictObject({ digest, sizeBytes: z.int().min(0).max(MAX_BLOB_BYTES) }),
    anchor,
    origins: z.array(grant).max(MAX_ORIGINS),
  }),
])

const replySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tag'), descriptor, ageMs: z.number().min(0) }),
  z.strictObject({ kind: z.literal('manifest'), descriptor }),
  z.strictObject({ kind: z.literal('public'), isPublic: z.boolean() }),
  z.strictObject({ kind: z.literal('trace'), trace }),
  z.strictObject({ kind: z.literal('layout'), cut: z.string() }),
  z.strictObject({ kind: z.literal('none') }),
])

function parseHeader<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (cause) {
    throw new DocumentProtocolError('malformed document message', cause)
  }
}

/** Parses a request frame; throws a DocumentProtocolError. */
export function parseDocumentRequest(bytes: Uint8Array): DocumentRequest {
  return parseHeader(requestSchema, bytes)
}

function frame(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** Asks over a fresh stream; the reply is of the kind asked for or `none`, and a manifest in it has its digest. */
export async function askOverStream(
  stream: Stream,
  request: DocumentRequest,
  options: AbortOptions,
): Promise<DocumentReply> {
  const lp = lpStream(stream, { maxDataLength: MAX_MANIFEST_BYTES, maxBufferSize: MAX_MANIFEST_BYTES * 2 })
  await lp.write(frame(bounded(request)), withSignal(options))
  const reply = parseHeader(replySchema, (await lp.read(withSignal(options))).subarray())
  if (reply.kind === 'none') return reply
  if (reply.kind !== request.kind) throw new DocumentProtocolError(`asked for ${request.kind}, got ${reply.kind}`)
  if (reply.kind === 'layout') return { kind: 'layout', layout: layoutOf(reply.cut, request) }
  if (reply.kind !== 'manifest') return reply
  const bytes = Uint8Array.prototype.slice.call((await lp.read(withSignal(options))).subarray())
  const wanted = request.kind === 'manifest' ? request.digest : undefined
  if (digestOf(bytes) !== wanted) throw new DocumentProtocolError('manifest does not have its digest')
  return { kind: 'manifest', document: { digest: digestOf(bytes), mediaType: reply.descriptor.mediaType, bytes } }
}

/** Serves the one request of an inbound stream. */
export async function answerOverStream(
  stream: Stream,
  answer: (request: DocumentRequest) => Promise<DocumentReply>,
  options: AbortOptions,
): Promise<void> {
  const lp = lpStream(stream, { maxDataLength: MAX_HEADER_BYTES })
  const request = parseDocumentRequest((await lp.read(withSignal(options))).subarray())
  const reply = await answer(request)
  if (reply.kind === 'layout') {
    const cut = reply.layout.kind === 'grid' ? GRID : Buffer.from(encodeTocLayout(reply.layout)).toString('base64')
    await lp.write(frame({ kind: 'layout', cut }), withSignal(options))
  } else if (reply.kind !== 'manifest') {
    await lp.write(frame(reply), withSignal(options))
  } else {
    const { document } = reply
    const described = { digest: document.digest, mediaType: document.mediaType, sizeBytes: document.bytes.byteLength }
    await lp.write(frame({ kind: 'manifest', descriptor: described }), withSignal(options))
    await lp.write(document.bytes, withSignal(options))
  }
  await stream.close(withSignal(options))
}

/** Of the places of a blob the first ones are enough to find it. */
function bounded(request: DocumentRequest): DocumentRequest {
  return request.kind === 'layout' ? { ...request, origins: request.origins.slice(0, MAX_ORIGINS) } : request
}

function layoutOf(cut: string, request: DocumentRequest): ChunkLayout {
  const sizeBytes = request.kind === 'layout' ? request.ref.sizeBytes : 0
  if (cut === GRID) return gridLayout(sizeBytes)
  try {
    return decodeTocLayout(Buffer.from(cut, 'base64'), sizeBytes)
  } catch (cause) {
    if (cause instanceof ChunkLayoutError) throw new DocumentProtocolError('layout is not one of its blob', cause)
    throw cause
  }
}

/** libp2p's options do not take an explicit undefined. */
function withSignal({ signal }: AbortOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
