import { fromBinary } from '@bufbuild/protobuf'
import { FINGERPRINT_BYTES, MAX_BLOB_BYTES } from '../chunking/index.ts'
import { type BlobRef, type Digest, digestFromBytes, type PeerRef, SHA256_BYTES } from '../core/index.ts'
import { PeerProtocolError } from './errors.ts'
import {
  type Announce,
  type Blob,
  type Busy,
  type Follow,
  type Have,
  type Hello,
  type Message,
  MessageSchema,
  type Peer,
  Role,
  type Want,
  Urgency as WireUrgency,
} from './exchange_pb.ts'
import {
  MAX_ADDRESS_CHARS,
  MAX_ADDRESSES_PER_PEER,
  MAX_ANNOUNCED_PER_MESSAGE,
  MAX_BITFIELD_BYTES,
  MAX_BUSY_WAIT_MS,
  MAX_HAVE_CHUNKS,
  MAX_NAME_CHARS,
  MAX_AUTHORIZATION_CHARS,
  MAX_ORIGINS_PER_FOLLOW,
  MAX_PEERS_PER_MESSAGE,
  MAX_PORT,
} from './limits.ts'
import type { ExchangeMessage, Urgency, WantMessage } from './messages.ts'

/**
 * The message in a frame header, every list and number in it within its limit. Byte fields are views of `header`.
 * Throws `PeerProtocolError` for anything else, a kind it does not know included.
 */
export function decodeMessage(header: Uint8Array): ExchangeMessage {
  return typed(parse(header))
}

function parse(header: Uint8Array): Message {
  try {
    return fromBinary(MessageSchema, header, { readUnknownFields: false })
  } catch (error) {
    throw new PeerProtocolError('a frame header is not a message', error)
  }
}

function typed({ body }: Message): ExchangeMessage {
  switch (body.case) {
    case 'hello':
      return helloOf(body.value)
    case 'follow':
      return followOf(body.value)
    case 'unfollow':
      return { kind: 'unfollow', follow: body.value.follow }
    case 'announce':
      return announceOf(body.value)
    case 'mapRequest':
      return { kind: 'mapRequest', request: body.value.request, digest: digestOfWire(body.value.sha256) }
    case 'bitfield':
      atMost(MAX_BITFIELD_BYTES, body.value.bits.byteLength, 'bytes in a bitfield')
      return { kind: 'bitfield', follow: body.value.follow, bits: body.value.bits }
    case 'have':
      return haveOf(body.value)
    case 'peers':
      return { kind: 'peers', follow: body.value.follow, peers: peersOf(body.value.peers) }
    case 'mapReply':
      return { kind: 'mapReply', request: body.value.request }
    case 'gone':
      return { kind: 'gone', follow: body.value.follow }
    case 'want':
      return wantOf(body.value)
    case 'chunk':
      return { kind: 'chunk', chunk: body.value.chunk, digest: rawSha256(body.value.sha256) }
    case 'busy':
      return busyOf(body.value)
    case 'cancel':
    case 'lacks':
    case 'cancelled':
      return { kind: body.case }
    case undefined:
      throw new PeerProtocolError('a message of an unknown kind')
  }
}

function helloOf(hello: Hello): ExchangeMessage {
  atMost(MAX_NAME_CHARS, hello.zone.length, 'characters in a zone')
  atMost(MAX_PORT, hello.bulkPort, 'as a port')
  const role = hello.role === Role.TRACKER ? 'tracker' : 'agent'
  const bulk = hello.bulkPort === 0 ? {} : { bulkPort: hello.bulkPort }
  return { kind: 'hello', version: hello.version, role, zone: hello.zone, ...bulk }
}

function followOf(follow: Follow): ExchangeMessage {
  atMost(MAX_ORIGINS_PER_FOLLOW, follow.origins.length, 'origins of one blob')
  const origins = follow.origins.map(({ namespace, repository, authorization }) => {
    atMost(MAX_NAME_CHARS, namespace.length, 'characters in a namespace')
    atMost(MAX_NAME_CHARS, repository.length, 'characters in a repository')
    atMost(MAX_AUTHORIZATION_CHARS, authorization.length, 'characters in an authorization')
    return authorization === '' ? { namespace, repository } : { namespace, repository, authorization }
  })
  return { kind: 'follow', follow: follow.follow, ref: blobRefOf(follow.blob), origins, ...layoutOfWire(follow.blob) }
}

function announceOf(announce: Announce): ExchangeMessage {
  atMost(MAX_ANNOUNCED_PER_MESSAGE, announce.blobs.length, 'announced blobs')
  return { kind: 'announce', isHeld: announce.held, digests: announce.blobs.map(digestOfWire) }
}

function haveOf(have: Have): ExchangeMessage {
  atMost(MAX_HAVE_CHUNKS, have.chunks.length, 'chunks in a have')
  if (have.digests.length !== have.chunks.length) {
    throw new PeerProtocolError(`${have.digests.length} digests for ${have.chunks.length} chunks`)
  }
  return { kind: 'have', follow: have.follow, chunks: have.chunks, digests: have.digests.map(rawSha256) }
}

function wantOf(want: Want): WantMessage {
  return {
    kind: 'want',
    ref: blobRefOf(want.blob),
    chunk: want.chunk ?? 'any',
    urgency: urgencyOf(want.urgency),
    ...layoutOfWire(want.blob),
  }
}

function busyOf(busy: Busy): ExchangeMessage {
  return { kind: 'busy', waitMs: Math.min(busy.waitMs, MAX_BUSY_WAIT_MS), alternates: peersOf(busy.alternates) }
}

function urgencyOf(urgency: WireUrgency): Urgency {
  if (urgency === WireUrgency.NOW) return 'now'
  if (urgency === WireUrgency.SOON) return 'soon'
  return urgency === WireUrgency.IDLE ? 'idle' : 'later'
}

function peersOf(peers: readonly Peer[]): PeerRef[] {
  atMost(MAX_PEERS_PER_MESSAGE, peers.length, 'peers')
  return peers.map(({ id, addresses }) => {
    atMost(MAX_NAME_CHARS, id.length, 'characters in a peer id')
    atMost(MAX_ADDRESSES_PER_PEER, addresses.length, 'addresses of one peer')
    for (const address of addresses) atMost(MAX_ADDRESS_CHARS, address.length, 'characters in an address')
    return { id, addresses }
  })
}

function blobRefOf(blob: Blob | undefined): BlobRef {
  if (blob === undefined) throw new PeerProtocolError('a message names no blob')
  if (blob.sizeBytes > BigInt(MAX_BLOB_BYTES)) throw new PeerProtocolError(`a blob of ${blob.sizeBytes} bytes`)
  return { digest: digestOfWire(blob.sha256), sizeBytes: Number(blob.sizeBytes) }
}

function layoutOfWire(blob: Blob | undefined): { layout?: string } {
  const raw = blob?.layout ?? new Uint8Array()
  if (raw.byteLength === 0) return {}
  if (raw.byteLength !== FINGERPRINT_BYTES) throw new PeerProtocolError(`a layout named in ${raw.byteLength} bytes`)
  return { layout: Buffer.from(raw).toString('hex') }
}

function digestOfWire(raw: Uint8Array): Digest {
  return digestFromBytes(rawSha256(raw))
}

function rawSha256(raw: Uint8Array): Uint8Array {
  if (raw.byteLength !== SHA256_BYTES) throw new PeerProtocolError(`a sha256 of ${raw.byteLength} bytes`)
  return raw
}

function atMost(limit: number, actual: number, what: string): void {
  if (actual > limit) throw new PeerProtocolError(`${actual} ${what}, the limit is ${limit}`)
}
