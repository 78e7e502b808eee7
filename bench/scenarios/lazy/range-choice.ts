import { type ChunkLayout, gridLayout } from '../../../src/chunking/index.ts'

/** Bytes [start, end) of a blob. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** What the ranges of one layer are chosen from. `random` gives numbers from 0 to below 1. */
export interface RangeChoice {
  readonly layerBytes: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly random: () => number
}

/** Share of a layer's chunks that ranges are taken from at most; what is left lets them begin anywhere in a chunk. */
const USABLE_SHARE = 0.75

/** How many ranges without a chunk in common a layer is good for. */
export function rangesPerLayer(layerBytes: number): number {
  return Math.max(1, Math.floor(gridLayout(layerBytes).chunkCount * USABLE_SHARE))
}

/** Up to `count` ranges at random places, none with a byte in a chunk that another one or `taken` has a byte in. */
export function chooseRanges(choice: RangeChoice, count: number, taken: readonly ByteRange[]): ByteRange[] {
  const layout = gridLayout(choice.layerBytes)
  const used = new Set(taken.flatMap((range) => chunksOf(range, layout)))
  const chosen: ByteRange[] = []
  for (const chunk of shuffled(layout.chunkCount, choice.random)) {
    if (chosen.length === count) break
    const range = rangeFrom(layout.offsetOf(chunk), layout.lengthOf(chunk), choice)
    const chunks = chunksOf(range, layout)
    if (chunks.some((other) => used.has(other))) continue
    for (const other of chunks) used.add(other)
    chosen.push(range)
  }
  return chosen
}

/** A range that begins in the given chunk and ends within the layer. */
function rangeFrom(offset: number, length: number, { layerBytes, minBytes, maxBytes, random }: RangeChoice): ByteRange {
  const sizeBytes = minBytes + Math.floor(random() * (maxBytes - minBytes + 1))
  const start = Math.max(0, Math.min(layerBytes - sizeBytes, offset + Math.floor(random() * length)))
  return { start, end: Math.min(layerBytes, start + sizeBytes) }
}

/** The chunks that `range` has bytes of. */
export function chunksOf({ start, end }: ByteRange, layout: ChunkLayout): number[] {
  const first = layout.chunkAt(start)
  return Array.from({ length: layout.chunkAt(end - 1) - first + 1 }, (_, index) => first + index)
}

/** The numbers below `count` in random order (Fisher and Yates). */
export function shuffled(count: number, random: () => number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    const kept = numbers[last] ?? last
    numbers[last] = numbers[other] ?? other
    numbers[other] = kept
  }
  return numbers
}
