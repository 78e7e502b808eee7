import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ChunkMap,
  ChunkMapError,
  decodeChunkMap,
  decodeSignedChunkMap,
  encodeChunkMap,
  encodeSignedChunkMap,
  gridLayout,
  MAX_MAP_BYTES,
  signChunkMap,
} from '../../../src/chunking/index.ts'
import { digestOf } from '../../../src/core/index.ts'
import { chunkMapOf, mapSigner } from '../../support/chunk-maps.ts'

const map = chunkMapOf(Buffer.alloc(2 * 1024 * 1024 + 7, 'shoal'))

test('a map comes back from its bytes', () => {
  const decoded = decodeChunkMap(encodeChunkMap(map))
  assert.equal(decoded.equals(map), true)
  assert.equal(decoded.chunkCount, 3)
  assert.deepEqual(Buffer.from(decoded.digestAt(2) ?? []), Buffer.from(map.digestAt(2) ?? []))
  assert.equal(decoded.digestAt(3), undefined)
})

test('refuses digests that do not fit the layout of the size', () => {
  const blob = { digest: digestOf(new Uint8Array()), sizeBytes: 5 }
  assert.throws(() => new ChunkMap({ blob, layout: gridLayout(5), digests: new Uint8Array(64) }), ChunkMapError)
  assert.throws(() => new ChunkMap({ blob, layout: gridLayout(6), digests: new Uint8Array(32) }), ChunkMapError)
})

test('refuses an unknown layout kind', () => {
  const bytes = Buffer.from(encodeChunkMap(map))
  const kindAt = bytes.indexOf(Buffer.from([0x18, 0x01]), 34)
  bytes[kindAt + 1] = 9
  assert.throws(() => decodeChunkMap(bytes), ChunkMapError)
})

test('refuses bytes longer than any map before parsing them', () => {
  assert.throws(() => decodeChunkMap(new Uint8Array(MAX_MAP_BYTES + 1)), /too long/)
})

test('the largest map fits the limit', async () => {
  const layout = gridLayout(4096 * 1024 * 1024)
  const blob = { digest: map.blobDigest, sizeBytes: layout.sizeBytes }
  const largest = new ChunkMap({ blob, layout, digests: new Uint8Array(4096 * 32) })
  const bytes = encodeSignedChunkMap(await signChunkMap(largest, await mapSigner(1)))
  assert.ok(bytes.byteLength <= MAX_MAP_BYTES)
  assert.equal((await decodeSignedChunkMap(bytes)).map.equals(largest), true)
})

test('a signed map comes back with its signer', async () => {
  const signer = await mapSigner(1)
  const decoded = await decodeSignedChunkMap(encodeSignedChunkMap(await signChunkMap(map, signer)))
  assert.equal(decoded.signer, signer.peerId)
  assert.equal(decoded.map.equals(map), true)
})

test('refuses a signature by another peer than the one named', async () => {
  const signed = await signChunkMap(map, await mapSigner(1))
  const { peerId } = await mapSigner(2)
  await assert.rejects(decodeSignedChunkMap(encodeSignedChunkMap({ ...signed, signer: peerId })), ChunkMapError)
})

test('refuses a signature over the bare protobuf bytes', async () => {
  const signer = await mapSigner(1)
  const signature = await signer.sign(encodeChunkMap(map))
  const bytes = encodeSignedChunkMap({ map, signer: signer.peerId, signature })
  await assert.rejects(decodeSignedChunkMap(bytes), ChunkMapError)
})

test('refuses a signer that is no ed25519 PeerId in base58', async () => {
  const signed = await signChunkMap(map, await mapSigner(1))
  const { peerIdFromString } = await import('@libp2p/peer-id')
  const otherSpelling = peerIdFromString(signed.signer).toCID().toString()
  for (const signer of ['', 'nobody', 'QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC', otherSpelling]) {
    await assert.rejects(decodeSignedChunkMap(encodeSignedChunkMap({ ...signed, signer })), ChunkMapError)
  }
})
