import type { Links } from './lab.ts'

/** The flags that shape links, as they come from the command line. */
export interface LinkFlags {
  readonly rate?: number
  readonly originRate?: number
  readonly latency?: number
}

/** The links that were asked for; `undefined` where none were, or nothing can be shaped because this is not root. */
export function linksOf({ rate, originRate = rate, latency = 0 }: LinkFlags): Links | undefined {
  if (rate === undefined || originRate === undefined || process.getuid?.() !== 0) return undefined
  return { nodeBitsPerSecond: rate, originBitsPerSecond: originRate, latencyMs: latency }
}

/** Sizes of `layers` layers that are `size` bytes together; the first has what does not divide evenly. */
export function evenLayers(size: number, layers: number): readonly number[] {
  const even = Math.floor(size / layers)
  return Array.from({ length: layers }, (_, index) => (index === 0 ? size - even * (layers - 1) : even))
}
