import type { KadDHT } from '@libp2p/kad-dht'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { type AbortOptions, type Digest, digestBytes, type PeerRef } from '../core/index.ts'
import { toPeerId } from './peer-address.ts'

/** The DHT as an index from a layer's digest to the peers that provide it. */
export interface ProviderRecords {
  /** Tells the peers nearest to `digest` that we provide it and repeats that before the records expire; resolves to how many were told. */
  provide(digest: Digest, options?: AbortOptions): Promise<number>
  /** Stops repeating it. What others were told stands until it expires. */
  unprovide(digest: Digest, options?: AbortOptions): Promise<void>
  /** Peers with a live record, in the order found, perhaps repeated and perhaps with us among them; ends with the walk. */
  findProviders(digest: Digest, options?: AbortOptions): AsyncIterable<PeerRef>
  /** Drops what this node itself stores about `peerId` providing `digest`. */
  forget(digest: Digest, peerId: string): Promise<void>
}

/**
 * kad-dht's own record table, which its type leaves out. A walk that begins on a node with k stale records ends there
 * without asking anyone else, so records known to be stale have to go before they expire.
 */
interface RecordTable {
  removeProvider(key: CID, peerId: ReturnType<typeof toPeerId>): Promise<void>
}

/** Provider records in kad-dht, keyed by the layer's own sha256 as a CID (other hashes are accepted and never found). */
export class DhtProviderRecords implements ProviderRecords {
  readonly #dht: KadDHT

  constructor(dht: KadDHT) {
    this.#dht = dht
  }

  async provide(digest: Digest, options: AbortOptions = {}): Promise<number> {
    let toldCount = 0
    for await (const event of this.#dht.provide(cidOf(digest), routingOptions(options))) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') toldCount++
    }
    return toldCount
  }

  async unprovide(digest: Digest, options: AbortOptions = {}): Promise<void> {
    await this.#dht.cancelReprovide(cidOf(digest), routingOptions(options))
  }

  async *findProviders(digest: Digest, options: AbortOptions = {}): AsyncIterable<PeerRef> {
    for await (const event of this.#dht.findProviders(cidOf(digest), routingOptions(options))) {
      if (event.name !== 'PROVIDER') continue
      for (const { id, multiaddrs } of event.providers) {
        yield { id: id.toString(), addresses: multiaddrs.map((address) => address.toString()) }
      }
    }
  }

  async forget(digest: Digest, peerId: string): Promise<void> {
    const { providers } = this.#dht as KadDHT & { providers?: RecordTable }
    await providers?.removeProvider(cidOf(digest), toPeerId(peerId))
  }
}

function cidOf(digest: Digest): CID {
  return CID.createV1(raw.code, createMultihash(sha256.code, digestBytes(digest)))
}

function routingOptions(options: AbortOptions): { signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal }
}
