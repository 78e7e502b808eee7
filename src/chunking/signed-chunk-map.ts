import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { peerIdFromString } from '@libp2p/peer-id'
import { digestBytes } from '../core/index.ts'
import type { ChunkMap } from './chunk-map.ts'
import { SignedChunkMapMessageSchema } from './chunk-map_pb.ts'
import { chunkMapFromMessage, chunkMapMessage, parseBounded } from './chunk-map-codec.ts'
import { ChunkMapError } from './errors.ts'
import { encodeTocLayout } from './toc-layout-codec.ts'

/** A chunk map and who vouches for it. One that came from `decodeSignedChunkMap` or `signChunkMap` has a signature that holds. */
export interface SignedChunkMap {
  readonly map: ChunkMap
  /** PeerId of the signer in its base58 text form. */
  readonly signer: string
  readonly signature: Uint8Array
}

/** The ed25519 identity of this peer, as far as signing maps needs it. */
export interface Signer {
  readonly peerId: string
  sign(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array
}

/** Separates these signatures from whatever else the same libp2p key signs; a new version of the payload gets a new one. */
const PAYLOAD_DOMAIN = 'shoal chunk map v1\n'

/** Length of an ed25519 signature, RFC 8032 section 5.1.6. */
const SIGNATURE_BYTES = 64

/** Vouches for `map` with the key of `signer`; only for a blob whose whole sha256 the caller has checked. */
export async function signChunkMap(map: ChunkMap, signer: Signer): Promise<SignedChunkMap> {
  return { map, signer: signer.peerId, signature: await signer.sign(signedPayload(map)) }
}

/** The signed map as protobuf bytes. */
export function encodeSignedChunkMap(signed: SignedChunkMap): Uint8Array {
  return toBinary(
    SignedChunkMapMessageSchema,
    create(SignedChunkMapMessageSchema, {
      map: chunkMapMessage(signed.map),
      signer: signed.signer,
      signature: signed.signature,
    }),
  )
}

/**
 * The signed map that `bytes` spell; throws a ChunkMapError when they are none, break a limit, or the signature does not
 * hold for the signer they name. Whether that signer is trusted is the caller's question.
 */
export async function decodeSignedChunkMap(bytes: Uint8Array): Promise<SignedChunkMap> {
  const message = parseBounded(bytes, (bounded) => fromBinary(SignedChunkMapMessageSchema, bounded))
  if (message.map === undefined) throw new ChunkMapError('signed chunk map has no map')
  const signed = { map: chunkMapFromMessage(message.map), signer: message.signer, signature: message.signature }
  if (!(await isSignatureValid(signed))) throw new ChunkMapError('signature of a chunk map does not hold')
  return signed
}

async function isSignatureValid(signed: SignedChunkMap): Promise<boolean> {
  if (signed.signature.byteLength !== SIGNATURE_BYTES) return false
  return await keyOf(signed.signer).verify(signedPayload(signed.map), signed.signature)
}

function keyOf(signer: string) {
  try {
    const peerId = peerIdFromString(signer)
    // Trust is decided by comparing the text, so only one spelling of an identity may pass.
    if (peerId.type === 'Ed25519' && peerId.toString() === signer) return peerId.publicKey
  } catch (cause) {
    throw new ChunkMapError('signer of a chunk map is not a PeerId', cause)
  }
  throw new ChunkMapError('signer of a chunk map is not an ed25519 PeerId in base58')
}

/**
 * What is signed: domain, 32 bytes of blob digest, size as 64 bits big-endian, layout kind and a zero byte, packed chunk
 * digests, and, where the size does not tell them, the encoded lengths of the chunks. There is one way to read it: the kind
 * says whether there are lengths, and they spell the size.
 * Laid out by hand because protobuf does not promise that two encoders agree on the bytes of one message.
 */
function signedPayload(map: ChunkMap): Uint8Array {
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(map.sizeBytes))
  return Buffer.concat([
    Buffer.from(PAYLOAD_DOMAIN),
    digestBytes(map.blobDigest),
    size,
    Buffer.from(`${map.layout.kind}\0`),
    map.digests,
    map.layout.kind === 'toc' ? encodeTocLayout(map.layout) : new Uint8Array(),
  ])
}
