import { ChunkMap, type SignedChunkMap, type Signer, signChunkMap } from '../chunking/index.ts'
import { type AbortOptions, isAbort, SHA256_BYTES } from '../core/index.ts'
import type { PeerState, StoredBlob } from '../scheduler/index.ts'
import type { Logger } from '../telemetry/index.ts'

export interface MapMakerInit {
  /** Signs what no tracker has signed. */
  readonly signer: Signer
  readonly isTrustedSigner: (signer: string) => boolean
}

/**
 * The map to keep for a blob whose whole digest was just checked: the tracker's when it has one of the same chunks, since
 * others believe it at once; else our own, which counts where enough peers made the same.
 */
export function mapMaker(init: MapMakerInit, components: { readonly logger: Logger }) {
  return async (
    blob: StoredBlob,
    tracker: PeerState | undefined,
    options: AbortOptions,
  ): Promise<SignedChunkMap | undefined> => {
    const map = mapOf(blob)
    if (map === undefined) return undefined
    try {
      const signed = await tracker?.following.requestMap(options)
      if (signed !== undefined && init.isTrustedSigner(signed.signer) && signed.map.equals(map)) return signed
    } catch (error) {
      if (isAbort(error)) throw error
      components.logger.debug({ err: error }, 'no map from the tracker')
    }
    return await signChunkMap(map, init.signer)
  }
}

/** `undefined` while a chunk is missing. */
function mapOf(blob: StoredBlob): ChunkMap | undefined {
  const digests = new Uint8Array(blob.layout.chunkCount * SHA256_BYTES)
  for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++) {
    const digest = blob.digestAt(chunk)
    if (digest === undefined) return undefined
    digests.set(digest, chunk * SHA256_BYTES)
  }
  return new ChunkMap({ blob: blob.ref, layout: blob.layout, digests })
}
