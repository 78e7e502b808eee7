import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { digestBytes, type OriginGrant, type PeerRef } from '../core/index.ts'
import { MessageSchema, Role, Urgency as WireUrgency } from './exchange_pb.ts'
import { MAX_ADDRESS_CHARS, MAX_ADDRESSES_PER_PEER, MAX_PEERS_PER_MESSAGE } from './limits.ts'
import type { ExchangeMessage, HelloMessage, Urgency } from './messages.ts'

type WireMessage = MessageInitShape<typeof MessageSchema>
type WireBody = NonNullable<WireMessage['body']>

const WIRE_URGENCY: Record<Urgency, WireUrgency> = {
  now: WireUrgency.NOW,
  soon: WireUrgency.SOON,
  later: WireUrgency.LATER,
  idle: WireUrgency.IDLE,
}

/** The frame header that says `message`. Lists of peers are cut to what a receiver accepts. */
export function encodeMessage(message: ExchangeMessage): Uint8Array {
  return toBinary(MessageSchema, create(MessageSchema, { body: bodyOf(message) }))
}

function bodyOf(message: ExchangeMessage): WireBody {
  switch (message.kind) {
    case 'hello':
      return { case: 'hello', value: wireHello(message) }
    case 'follow':
      return {
        case: 'follow',
        value: { follow: message.follow, blob: wireBlob(message), origins: message.origins.map(wireOrigin) },
      }
    case 'unfollow':
      return { case: 'unfollow', value: { follow: message.follow } }
    case 'announce':
      return { case: 'announce', value: { held: message.isHeld, blobs: message.digests.map(digestBytes) } }
    case 'mapRequest':
      return { case: 'mapRequest', value: { request: message.request, sha256: digestBytes(message.digest) } }
    case 'bitfield':
      return { case: 'bitfield', value: { follow: message.follow, bits: message.bits } }
    case 'have':
      return {
        case: 'have',
        value: { follow: message.follow, chunks: [...message.chunks], digests: [...message.digests] },
      }
    case 'peers':
      return { case: 'peers', value: { follow: message.follow, peers: wirePeers(message.peers) } }
    case 'mapReply':
      return { case: 'mapReply', value: { request: message.request } }
    case 'gone':
      return { case: 'gone', value: { follow: message.follow } }
    default:
      return laneBodyOf(message)
  }
}

type LaneMessage = Extract<ExchangeMessage, { kind: 'want' | 'cancel' | 'chunk' | 'busy' | 'lacks' | 'cancelled' }>

function laneBodyOf(message: LaneMessage): WireBody {
  switch (message.kind) {
    case 'want':
      return {
        case: 'want',
        value: {
          blob: wireBlob(message),
          urgency: WIRE_URGENCY[message.urgency],
          ...(message.chunk === 'any' ? {} : { chunk: message.chunk }),
        },
      }
    case 'chunk':
      return { case: 'chunk', value: { chunk: message.chunk, sha256: message.digest } }
    case 'busy':
      return { case: 'busy', value: { waitMs: Math.ceil(message.waitMs), alternates: wirePeers(message.alternates) } }
    case 'cancel':
    case 'lacks':
    case 'cancelled':
      return { case: message.kind, value: {} }
  }
}

function wireHello({ version, role, zone, bulkPort = 0 }: HelloMessage) {
  return { version, role: role === 'tracker' ? Role.TRACKER : Role.AGENT, zone, bulkPort }
}

function wireOrigin({ namespace, repository, authorization = '' }: OriginGrant) {
  return { namespace, repository, authorization }
}

function wireBlob(message: Extract<ExchangeMessage, { kind: 'follow' | 'want' }>) {
  const { ref, layout = '' } = message
  return { sha256: digestBytes(ref.digest), sizeBytes: BigInt(ref.sizeBytes), layout: Buffer.from(layout, 'hex') }
}

function wirePeers(peers: readonly PeerRef[]) {
  return peers.slice(0, MAX_PEERS_PER_MESSAGE).map((peer) => ({
    id: peer.id,
    addresses: peer.addresses.filter((address) => address.length <= MAX_ADDRESS_CHARS).slice(0, MAX_ADDRESSES_PER_PEER),
  }))
}
