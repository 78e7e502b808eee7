import type { BlobRef, PeerRef } from '../../../src/core/index.ts'
import { systemClock } from '../../../src/core/index.ts'
import {
  type ChunkSupply,
  Exchange,
  type Following,
  type PeerLink,
  type Publisher,
  type RemotePeer,
} from '../../../src/exchange/index.ts'
import {
  type ClusterKey,
  createP2pNode,
  generateClusterKey,
  generateIdentity,
  type P2pNode,
  parseClusterKey,
  tlsIdentityOf,
} from '../../../src/p2p/index.ts'
import { BufferPool } from '../../../src/util/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { ChunkCheck, type Payload } from './payload.ts'
import { LANES, type PullingEnd, type Transport } from './transport.ts'

/** What carries the bytes of an exchange. */
export type CarrierName = 'libp2p' | 'tls'

/** As much as an agent keeps for the chunks to come. */
const IDLE_BUFFER_BYTES = 32 * 1024 * 1024

interface Contact {
  readonly peer: PeerRef
  readonly clusterKey: string
}

/** The exchange between two peers as agents run it, with a supply in memory instead of a store. */
export function exchangeTransport(carrier: CarrierName): Transport {
  return {
    async serve(payload) {
      const clusterKey = generateClusterKey()
      const { node } = await startPeer(carrier, clusterKey, new MemorySupply(payload))
      const peer = { id: node.peerId, addresses: node.addresses() }
      return { address: JSON.stringify({ peer, clusterKey: clusterKey.toText() } satisfies Contact) }
    },

    async connect(address, payload) {
      const { peer, clusterKey } = JSON.parse(address) as Contact
      const { exchange } = await startPeer(carrier, parseClusterKey(clusterKey), new MemorySupply(payload))
      const link = await exchange.connect(peer, {})
      return new ExchangePullingEnd(await follow(link, payload.ref), payload)
    },
  }
}

class ExchangePullingEnd implements PullingEnd {
  readonly #following: Following
  readonly #payload: Payload

  constructor(following: Following, payload: Payload) {
    this.#following = following
    this.#payload = payload
  }

  async fetch(chunk: number): Promise<void> {
    const received = await this.#following.request(chunk, {})
    const check = new ChunkCheck(this.#payload, chunk)
    check.take(received.payload.bytes)
    check.finish()
    received.payload.release()
  }
}

/** Has every chunk of one blob at hand. */
class MemorySupply implements ChunkSupply {
  readonly #payload: Payload

  constructor(payload: Payload) {
    this.#payload = payload
  }

  follow(_peer: RemotePeer, _ref: BlobRef, _origins: unknown, publisher: Publisher) {
    publisher.bitfield(allChunks(this.#payload.chunkCount))
    return { close: () => undefined }
  }

  async read(_peerId: string, _ref: BlobRef, chunk: number | 'any') {
    if (chunk === 'any') return 'lacks' as const
    return { chunk, bytes: this.#payload.bytesOf(chunk), digest: this.#payload.digestOf(chunk) }
  }

  map() {
    return undefined
  }

  announced(): void {}
}

function allChunks(count: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(count / 8)).fill(0xff)
  // Bits past the last chunk are no chunks.
  if (count % 8 !== 0) bits[bits.length - 1] = (0xff << (8 - (count % 8))) & 0xff
  return bits
}

async function startPeer(
  carrier: CarrierName,
  clusterKey: ClusterKey,
  supply: ChunkSupply,
): Promise<{ node: P2pNode; exchange: Exchange }> {
  const telemetry = { logger: silentLogger(), metrics: new Metrics() }
  const identity = await generateIdentity()
  const node = await createP2pNode({ identity, clusterKey, listenAddresses: ['/ip4/127.0.0.1/tcp/0'] }, telemetry)
  const buffers = new BufferPool({ maxIdleBytes: IDLE_BUFFER_BYTES }, { clock: systemClock })
  const exchange = new Exchange(
    {
      role: 'agent',
      uploadSlots: LANES,
      maxLanesPerPeer: LANES,
      tls: {
        identity: tlsIdentityOf(identity),
        listen: { host: '127.0.0.1', port: 0 },
        isPreferred: carrier === 'tls',
      },
    },
    { streams: node, supply, buffers, clock: systemClock, ...telemetry },
  )
  await node.start()
  await exchange.start()
  return { node, exchange }
}

/** Resolves once the peer has said what it holds. */
async function follow(link: PeerLink, ref: BlobRef): Promise<Following> {
  const told = Promise.withResolvers<void>()
  const following = link.follow(ref, [], {
    onBitfield: () => told.resolve(),
    onHave: () => undefined,
    onPeers: () => undefined,
    onClosed: () => told.reject(new Error('the serving end does not let itself be followed')),
  })
  await told.promise
  return following
}
