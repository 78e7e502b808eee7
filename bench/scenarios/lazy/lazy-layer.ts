import { gridLayout } from '../../../src/chunking/index.ts'
import type { AbortOptions } from '../../../src/core/index.ts'
import type { PushedLayer } from '../pair/pushed-image.ts'
import type { RegistryClient } from '../pair/registry-client.ts'
import { type ByteRange, chooseRanges, chunksOf, type RangeChoice } from './range-choice.ts'

/** What a snapshotter reads before a mount can be used: the end of the layer, where its table of contents is. */
const FOOTER_BYTES = 46_270

/** The two ways to one layer that are compared. */
export interface LayerClients {
  /** At the mirror of the agent that does not have the layer. */
  readonly mirror: RegistryClient
  /** At the registry itself. */
  readonly direct: RegistryClient
}

/** Milliseconds of every range, in the order of reading. */
export interface LayerTimes {
  /** Of the very first request for the layer, two bytes, for which peers have to be found. */
  readonly probeMs: number
  /** Chunks that the agent did not hold. */
  readonly peerMs: readonly number[]
  /** Chunks that it held by then. */
  readonly localMs: readonly number[]
  /** The ranges of `peerMs`, from the registry. */
  readonly directMs: readonly number[]
  /** Bytes of all chunks that the agent had to fetch for this. */
  readonly chunkBytes: number
}

/** Mounts the layer as stargz-snapshotter does and reads `count` ranges three ways, one after the other. Throws when a byte is wrong. */
export async function readLazily(
  layer: PushedLayer,
  clients: LayerClients,
  choice: Omit<RangeChoice, 'layerBytes'>,
  count: number,
  options: AbortOptions,
): Promise<LayerTimes> {
  const layerBytes = layer.bytes.byteLength
  const mount = await mountLayer(layer, clients.mirror, options)
  const ranges = chooseRanges({ ...choice, layerBytes }, count, mount.ranges)
  const peerMs: number[] = []
  const localMs: number[] = []
  const directMs: number[] = []
  for (const [index, range] of ranges.entries()) {
    peerMs.push(await readRange(layer, clients.mirror, range, options))
    const held = ranges[Math.floor(choice.random() * (index + 1))] ?? range
    localMs.push(await readRange(layer, clients.mirror, held, options))
    directMs.push(await readRange(layer, clients.direct, range, options))
  }
  const chunkBytes = chunkBytesOf([...mount.ranges, ...ranges], layerBytes)
  return { probeMs: mount.probeMs, peerMs, localMs, directMs, chunkBytes }
}

/** Two bytes to see whether the mirror has it, the size by HEAD, the footer: as stargz-snapshotter 0.12 was seen to do. Says what it has read. */
export async function mountLayer(layer: PushedLayer, mirror: RegistryClient, options: AbortOptions) {
  const layerBytes = layer.bytes.byteLength
  const probe = { start: 0, end: Math.min(2, layerBytes) }
  const footer = { start: Math.max(0, layerBytes - FOOTER_BYTES), end: layerBytes }
  const probeMs = await readRange(layer, mirror, probe, options)
  const size = await mirror.blobSize(layer.digest, options)
  if (size !== layerBytes) throw new Error(`a layer of ${layerBytes} bytes is said to have ${size}`)
  await readRange(layer, mirror, footer, options)
  return { probeMs, ranges: [probe, footer] }
}

/** Reads one range; the milliseconds that took. Throws when it does not come, or a byte is wrong. */
export async function readRange(
  { digest, bytes }: PushedLayer,
  client: RegistryClient,
  { start, end }: ByteRange,
  options: AbortOptions,
): Promise<number> {
  const answer = await client.range(digest, start, end, options)
  if (!answer.bytes.equals(bytes.subarray(start, end)))
    throw new Error(`bytes ${start} to ${end} of ${digest} are wrong`)
  return answer.tookMs
}

function chunkBytesOf(ranges: readonly ByteRange[], layerBytes: number): number {
  const layout = gridLayout(layerBytes)
  const chunks = new Set(ranges.flatMap((range) => chunksOf(range, layout)))
  return [...chunks].reduce((sum, chunk) => sum + layout.lengthOf(chunk), 0)
}
