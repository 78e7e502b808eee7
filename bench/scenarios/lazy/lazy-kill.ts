import type { AbortOptions } from '../../../src/core/index.ts'
import { percentile } from '../../report/index.ts'
import { PairLab } from '../pair/pair-lab.ts'
import type { PushedLayer } from '../pair/pushed-image.ts'
import type { RegistryClient } from '../pair/registry-client.ts'
import type { Figures } from '../run-figures.ts'
import { mountLayer, readRange } from './lazy-layer.ts'
import { type ByteRange, chooseRanges, type RangeChoice, rangesPerLayer } from './range-choice.ts'

export interface LazyKillInit {
  readonly userAgent: string
  readonly sizeBytes: number
  readonly ranges: number
  readonly choice: Omit<RangeChoice, 'layerBytes'>
}

/** What one run found: its figures, and what went wrong in it. */
export interface LazyKillRun {
  readonly figures: Figures
  readonly failures: readonly string[]
}

/**
 * Reads ranges out of chunks that the agent does not hold, and kills the peer that gives them when half are read. All layers
 * are mounted from the beginning and read in turns, so that each is in the middle of its download then. A cluster of its own.
 */
export async function measureKill(init: LazyKillInit, options: AbortOptions): Promise<LazyKillRun> {
  const { userAgent, sizeBytes, ranges, choice } = init
  await using lab = await PairLab.start({ hasTracker: true, userAgent })
  // What is read here first is not measured: it has the code of all processes compiled.
  await readAll(await prepare(lab, sizeBytes, 1, options), choice, rangesPerLayer(sizeBytes), options)
  const prepared = await prepare(lab, sizeBytes, Math.ceil(ranges / rangesPerLayer(sizeBytes)), options)
  const before = (await lab.pulling.status()).bytesBySource
  lab.origin.counts.reset()
  const kill = async () => {
    lab.serving.child.signal('SIGKILL')
    await lab.serving.child.exited()
  }
  const { tookMs, failures } = await readAll(prepared, choice, ranges, { ...options, halfway: kill })
  const after = (await lab.pulling.status()).bytesBySource
  const ofSecondHalf = tookMs.slice(Math.floor(ranges / 2))
  return {
    figures: {
      p50Ms: percentile(tookMs, 0.5),
      p99Ms: percentile(tookMs, 0.99),
      maxMs: Math.max(...tookMs),
      firstAfterKillMs: ofSecondHalf[0] ?? Number.NaN,
      afterKillP50Ms: percentile(ofSecondHalf, 0.5),
      bytesFromPeers: after.peers - before.peers,
      bytesFromTracker: after.tracker - before.tracker,
      originRequests: lab.origin.counts.requests.filter(({ path }) => path.includes('/blobs/')).length,
    },
    failures,
  }
}

interface Prepared {
  readonly layers: readonly PushedLayer[]
  readonly mirror: RegistryClient
}

async function prepare(lab: PairLab, sizeBytes: number, layerCount: number, options: AbortOptions): Promise<Prepared> {
  const image = await lab.push(Array<number>(layerCount).fill(sizeBytes), options)
  await lab.seed(image, options)
  const mirror = lab.clientOf(lab.pulling, image)
  await mirror.manifest(image.tag, options)
  return { layers: image.layers, mirror }
}

/** Reads `count` ranges, one of each layer in turn; one that fails is noted, and took as long as that took. */
async function readAll(
  { layers, mirror }: Prepared,
  choice: Omit<RangeChoice, 'layerBytes'>,
  count: number,
  { halfway, ...options }: AbortOptions & { readonly halfway?: () => Promise<void> },
): Promise<{ readonly tookMs: readonly number[]; readonly failures: readonly string[] }> {
  await using _mirror = mirror
  const turns: { readonly layer: PushedLayer; readonly ranges: ByteRange[] }[] = []
  for (const layer of layers) {
    const { ranges: taken } = await mountLayer(layer, mirror, options)
    const layerBytes = layer.bytes.byteLength
    turns.push({ layer, ranges: chooseRanges({ ...choice, layerBytes }, Math.ceil(count / layers.length), taken) })
  }
  const tookMs: number[] = []
  const failures: string[] = []
  for (let index = 0; index < count; index++) {
    if (index === Math.floor(count / 2)) await halfway?.()
    const { layer, ranges } = turns[index % turns.length] ?? {}
    const range = ranges?.pop()
    if (layer === undefined || range === undefined) throw new Error('there are ranges for every turn')
    const startMs = performance.now()
    try {
      tookMs.push(await readRange(layer, mirror, range, options))
    } catch (error) {
      options.signal?.throwIfAborted()
      tookMs.push(performance.now() - startMs)
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  return { tookMs, failures }
}
