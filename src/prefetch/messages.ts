import { parseDigest, type PeerRef, type PeerRole, ShoalError } from '../core/index.ts'
import { isRepositoryName, normalizeNamespace, parsePlatform } from '../oci/index.ts'
import { isPeerId } from '../p2p/index.ts'
import { z } from 'zod'
import { MAX_COVERED, MAX_HOPS, MAX_MEMBERS, MAX_ORDER_MS, type Order, TAIL_CHARS } from './order.ts'
import { MAX_FAILURES, MAX_UNREACHED, type Tally } from './tally.ts'

/** What the opener of a stream says: an order or a question whom the other knows; then that it heard a report, or that all is to end. */
export type Ask =
  | ({ readonly kind: 'order' } & Order)
  | { readonly kind: 'members' }
  | { readonly kind: 'heard' }
  | { readonly kind: 'cancel' }

/** What it is answered. To an order: `accepted` and reports until one is final, or one of the other two. */
export type Answer =
  | { readonly kind: 'accepted'; readonly name: string; readonly isMeant: boolean }
  /** Heard before, and what comes of it is told to another. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'refused'; readonly name: string; readonly reason: string }
  /** `told`: those behind it whom the other has not named, and nobody has in a report before. */
  | { readonly kind: 'report'; readonly isFinal: boolean; readonly tally: Tally; readonly told: readonly PeerRef[] }
  | { readonly kind: 'members'; readonly role: PeerRole; readonly members: readonly PeerRef[] }

/** The peer broke the protocol of prefetching. */
export class PrefetchProtocolError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'PREFETCH_PROTOCOL', blame: 'peer', retryable: false, cause })
  }
}

/** As many addresses of one member as are passed on; a node has a handful of interfaces. */
export const MAX_ADDRESSES = 4

/** As long as a multiaddr with the longest DNS name gets. */
export const MAX_ADDRESS_CHARS = 400

/** Host names are shorter. */
export const MAX_NAME_CHARS = 64

/** Reasons are one line. */
export const MAX_REASON_CHARS = 300

const peerId = z.string().max(128).refine(isPeerId)
const addresses = z.array(z.string().max(MAX_ADDRESS_CHARS)).max(MAX_ADDRESSES)
const members = z.array(z.strictObject({ id: peerId, addresses })).max(MAX_MEMBERS)
const path = z.array(peerId).max(MAX_HOPS + 1)
const name = z.string().max(MAX_NAME_CHARS)
const reason = z.string().max(MAX_REASON_CHARS)
const count = z.int().min(0).max(1e9)
const bytes = z.number().min(0).max(1e18)

const digest = z.string().transform((text, context) => {
  const parsed = parseDigest(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'not a sha256 digest' })
  return z.NEVER
})

const image = z.strictObject({
  namespace: z.string().refine((text) => normalizeNamespace(text) === text),
  repository: z.string().refine(isRepositoryName),
  digest,
})

const target = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all') }),
  z.strictObject({ kind: z.literal('zone'), zone: z.string().min(1).max(255) }),
  z.strictObject({ kind: z.literal('named') }),
])

const order = z.strictObject({
  kind: z.literal('order'),
  id: z.string().regex(/^[0-9a-f-]{36}$/),
  image,
  platform: z
    .string()
    .max(100)
    .refine((text) => parsePlatform(text) !== undefined)
    .optional(),
  target,
  hops: z.int().min(0).max(MAX_HOPS),
  timeoutMs: z.number().min(0).max(MAX_ORDER_MS),
  path,
  members,
  covered: z.array(z.string().length(TAIL_CHARS)).max(MAX_COVERED),
  isAgain: z.boolean(),
})

const failure = z.strictObject({ peer: peerId, name, reason })
const progress = z.strictObject({ name, heldBytes: bytes, sizeBytes: bytes })

const tally: z.ZodType<Tally> = z.strictObject({
  nodes: z.strictObject({
    waiting: count,
    running: count,
    done: count,
    failed: count,
    unreachable: count,
    relays: count,
  }),
  heldBytes: bytes,
  sizeBytes: bytes,
  bytesBySource: z.strictObject({ store: bytes, peers: bytes, tracker: bytes, origin: bytes }),
  failures: z.array(failure).max(MAX_FAILURES),
  unreached: z.array(failure.extend({ addresses })).max(MAX_UNREACHED),
  slowest: progress.optional(),
})

const askSchema: z.ZodType<Ask> = z.discriminatedUnion('kind', [
  order,
  z.strictObject({ kind: z.literal('members') }),
  z.strictObject({ kind: z.literal('heard') }),
  z.strictObject({ kind: z.literal('cancel') }),
])

const answerSchema: z.ZodType<Answer> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('accepted'), name, isMeant: z.boolean() }),
  z.strictObject({ kind: z.literal('elsewhere') }),
  z.strictObject({ kind: z.literal('refused'), name, reason }),
  z.strictObject({ kind: z.literal('report'), isFinal: z.boolean(), tally, told: members }),
  z.strictObject({ kind: z.literal('members'), role: z.enum(['agent', 'tracker']), members }),
])

/** A message as it is sent, without its length. */
export function encodeMessage(message: Ask | Answer): Uint8Array {
  return Buffer.from(JSON.stringify(message))
}

/** Throws a PrefetchProtocolError for whatever is not well-formed. */
export function parseAsk(frame: Uint8Array): Ask {
  return parse(askSchema, frame)
}

/** Throws a PrefetchProtocolError for whatever is not well-formed. */
export function parseAnswer(frame: Uint8Array): Answer {
  return parse(answerSchema, frame)
}

function parse<T>(schema: z.ZodType<T>, frame: Uint8Array): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(frame).toString('utf8')))
  } catch (cause) {
    throw new PrefetchProtocolError('malformed message', cause)
  }
}
