import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ChunkMap, gridLayout, type Signer } from '../../src/chunking/index.ts'
import { digestOf, sha256 } from '../../src/core/index.ts'

/** The chunk map of `bytes` as the grid cuts them. */
export function chunkMapOf(bytes: Uint8Array): ChunkMap {
  const layout = gridLayout(bytes.byteLength)
  const digests = new Uint8Array(layout.chunkCount * 32)
  for (let chunk = 0; chunk < layout.chunkCount; chunk++) {
    const start = layout.offsetOf(chunk)
    digests.set(sha256(bytes.subarray(start, start + layout.lengthOf(chunk))), chunk * 32)
  }
  return new ChunkMap({ blob: { digest: digestOf(bytes), sizeBytes: bytes.byteLength }, layout, digests })
}

/** A signer with a key of its own, the same for the same `seed`. */
export async function mapSigner(seed: number): Promise<Signer> {
  const key = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(seed))
  return { peerId: peerIdFromPrivateKey(key).toString(), sign: (bytes) => key.sign(bytes) }
}
