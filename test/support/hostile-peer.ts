import { readFile } from 'node:fs/promises'
import {
  type ChunkLayout,
  ChunkMap,
  cutAlongToc,
  encodeSignedChunkMap,
  gridLayout,
  signChunkMap,
  type Signer,
} from '../../src/chunking/index.ts'
import {
  type AbortOptions,
  type BlobRef,
  type Digest,
  parseDigest,
  type PeerRef,
  sha256,
  systemClock,
} from '../../src/core/index.ts'
import {
  type ChunkSupply,
  Exchange,
  type PeerLink,
  type Publisher,
  type RemotePeer,
  type Subscription,
  type SuppliedChunk,
} from '../../src/exchange/index.ts'
import { ESTARGZ_FOOTER_BYTES, tocOffsetOf } from '../../src/layouts/estargz-footer.ts'
import { membersOf } from '../../src/layouts/toc-members.ts'
import { tocAnchorOf } from '../../src/oci/index.ts'
import { type ClusterKey, createP2pNode, generateIdentity, type P2pNode, signerOf } from '../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { type BuiltImage, blobPath } from './images.ts'
import type { ShoalProcess } from './shoal-process.ts'

/** One layer as a peer that has it knows it. */
export interface HeldLayer {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  /** The true bytes of a chunk. */
  chunk(chunk: number): Uint8Array
}

/** What a hostile peer does where an honest one tells the truth. Every part left out is honest. */
export interface Misbehaviour {
  /** The bytes sent for a chunk. A promise that never settles is a peer that never answers. */
  readonly bytes?: (honest: Uint8Array, chunk: number) => Uint8Array | Promise<Uint8Array>
  /** The bytes whose digest it says a chunk has. */
  readonly claimed?: (honest: Uint8Array, chunk: number) => Uint8Array
  /** Whether it says that it holds the chunk. */
  readonly holds?: (chunk: number) => boolean
  /** Does more whenever somebody follows a layer. */
  readonly onFollow?: (publisher: Publisher, layer: HeldLayer) => void
  /** Signs a map of what it claims. */
  readonly signsMaps?: boolean
}

/** A peer of the cluster, key and all, that does not play by the rules. Runs in this process. */
export class HostilePeer implements AsyncDisposable {
  readonly node: P2pNode
  readonly supply: HostileSupply
  readonly #exchange: Exchange

  private constructor(node: P2pNode, supply: HostileSupply, exchange: Exchange) {
    this.node = node
    this.supply = supply
    this.#exchange = exchange
  }

  static async start(clusterKey: ClusterKey, image: BuiltImage, misbehaviour: Misbehaviour): Promise<HostilePeer> {
    const components = { logger: silentLogger(), metrics: new Metrics() }
    const identity = await generateIdentity()
    const init = { identity, clusterKey, listenAddresses: ['/ip4/127.0.0.1/tcp/0'] }
    const node = await createP2pNode(init, components)
    const supply = new HostileSupply(await layersOf(image), misbehaviour, signerOf(identity))
    const exchange = new Exchange(
      { role: 'agent', uploadSlots: 64, maxLanesPerPeer: 4 },
      { streams: node, supply, clock: systemClock, layoutOf: (ref) => supply.layoutOf(ref), ...components },
    )
    exchange.setHoldings(() => supply.digests)
    await node.start()
    await exchange.start()
    return new HostilePeer(node, supply, exchange)
  }

  /** Connects, and tells a tracker that it has all layers. */
  async join(...processes: readonly ShoalProcess[]): Promise<void> {
    for (const process of processes) await this.link(process)
  }

  async link(process: ShoalProcess): Promise<PeerLink> {
    return await this.#exchange.connect(refOf(process), { signal: AbortSignal.timeout(10_000) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exchange.stop()
    await this.node.stop()
  }
}

/** Tells everybody that it holds all layers, and serves them as the misbehaviour has it. */
export class HostileSupply implements ChunkSupply {
  /** Chunks it was asked for. */
  askedCount = 0
  /** Peers that followed a layer. */
  readonly followers = new Set<string>()
  readonly #layers: ReadonlyMap<Digest, HeldLayer>
  readonly #misbehaviour: Misbehaviour
  readonly #signer: Signer

  constructor(layers: readonly HeldLayer[], misbehaviour: Misbehaviour, signer: Signer) {
    this.#layers = new Map(layers.map((layer) => [layer.ref.digest, layer]))
    this.#misbehaviour = misbehaviour
    this.#signer = signer
  }

  get digests(): readonly Digest[] {
    return [...this.#layers.keys()]
  }

  layoutOf({ digest, sizeBytes }: BlobRef): ChunkLayout {
    return this.#layers.get(digest)?.layout ?? gridLayout(sizeBytes)
  }

  follow(peer: RemotePeer, ref: BlobRef, _origins: unknown, publisher: Publisher): Subscription | undefined {
    const layer = this.#layers.get(ref.digest)
    if (layer === undefined) return undefined
    this.followers.add(peer.id)
    const chunks = this.#chunksOf(layer)
    const bits = new Uint8Array(Math.ceil(layer.layout.chunkCount / 8))
    for (const chunk of chunks) bits[chunk >> 3] = (bits[chunk >> 3] ?? 0) | (0x80 >> (chunk & 7))
    publisher.bitfield(bits)
    publisher.have(
      chunks,
      chunks.map((chunk) => this.#claimedDigest(layer, chunk)),
    )
    this.#misbehaviour.onFollow?.(publisher, layer)
    return { close: () => undefined }
  }

  async read(
    _peerId: string,
    ref: BlobRef,
    wanted: number | 'any',
    _urgency: unknown,
    _options: AbortOptions,
  ): Promise<SuppliedChunk | 'lacks'> {
    const layer = this.#layers.get(ref.digest)
    if (layer === undefined) return 'lacks'
    this.askedCount += 1
    const chunk = wanted === 'any' ? 0 : wanted
    const honest = layer.chunk(chunk)
    const bytes = (await this.#misbehaviour.bytes?.(honest, chunk)) ?? honest
    return { chunk, bytes, digest: this.#claimedDigest(layer, chunk) }
  }

  async map(digest: Digest): Promise<Uint8Array | undefined> {
    const layer = this.#layers.get(digest)
    if (layer === undefined || this.#misbehaviour.signsMaps !== true) return undefined
    const { ref, layout } = layer
    const digests = Buffer.concat(
      Array.from({ length: layout.chunkCount }, (_, chunk) => this.#claimedDigest(layer, chunk)),
    )
    return encodeSignedChunkMap(await signChunkMap(new ChunkMap({ blob: ref, layout, digests }), this.#signer))
  }

  announced(): void {}

  #chunksOf({ layout }: HeldLayer): number[] {
    const all = Array.from({ length: layout.chunkCount }, (_, chunk) => chunk)
    return all.filter((chunk) => this.#misbehaviour.holds?.(chunk) ?? true)
  }

  #claimedDigest(layer: HeldLayer, chunk: number): Uint8Array {
    const honest = layer.chunk(chunk)
    return sha256(this.#misbehaviour.claimed?.(honest, chunk) ?? honest)
  }
}

/** Where a running process is reached by peers. */
export function refOf(process: ShoalProcess): PeerRef {
  return { id: process.peerId, addresses: process.addresses }
}

/** `honest` with every bit turned. */
export function inverted(honest: Uint8Array): Uint8Array {
  return honest.map((byte) => byte ^ 0xff)
}

/** `honest` with its last byte changed: what a sample of a chunk hardly ever sees. */
export function withOneByteChanged(honest: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(honest)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  return changed
}

async function layersOf(image: BuiltImage): Promise<HeldLayer[]> {
  const manifest = JSON.parse(await readFile(blobPath(image.layoutFolder, image.manifest.digest), 'utf8')) as {
    readonly layers: readonly { readonly digest: string; readonly annotations?: Record<string, string> }[]
  }
  const annotationsByDigest = new Map(manifest.layers.map(({ digest, annotations }) => [digest, annotations]))
  return await Promise.all(
    image.layers.map(async ({ digest: text, size }) => {
      const bytes = await readFile(blobPath(image.layoutFolder, text))
      const digest = parseDigest(text)
      if (digest === undefined) throw new Error(`${text} is not a digest`)
      const layout = cutOf(bytes, annotationsByDigest.get(text) ?? {})
      const chunk = (number: number): Uint8Array => {
        const offset = layout.offsetOf(number)
        return new Uint8Array(bytes.subarray(offset, offset + layout.lengthOf(number)))
      }
      return { ref: { digest, sizeBytes: size }, layout, chunk }
    }),
  )
}

/** As everybody else cuts the layer, or nobody would ask for its chunks. */
function cutOf(bytes: Buffer, annotations: Readonly<Record<string, string>>): ChunkLayout {
  const anchor = tocAnchorOf(annotations)
  const offset = tocOffsetOf(bytes.subarray(-ESTARGZ_FOOTER_BYTES))
  if (anchor?.format !== 'estargz' || offset === undefined) return gridLayout(bytes.byteLength)
  const section = bytes.subarray(offset, -ESTARGZ_FOOTER_BYTES)
  return cutAlongToc(membersOf({ ...anchor, bytes: section, offset }), bytes.byteLength)
}
