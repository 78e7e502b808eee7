import { formatSize, parseSize } from './size.ts'

/** What stands for no limit. */
const UNLIMITED = 'unlimited'

/** Bits per second by 1000, as `tc` and network cards write them. */
const BITS: Readonly<Record<string, number>> = { kbit: 1e3, mbit: 1e6, gbit: 1e9 }

/** Below this a chunk of 1 MiB takes longer than the 20 s that a request for it may. */
export const MIN_RATE = 64 * 1024

/**
 * Bytes per second of a rate such as `50MiB/s`, `800mbit` or `unlimited`, which is `Infinity`; `undefined` when it is none
 * or is below 64 KiB/s.
 */
export function parseRate(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase()
  if (trimmed === UNLIMITED) return Number.POSITIVE_INFINITY
  const bytesPerSecond = trimmed.endsWith('bit') ? parseBits(trimmed) : parseBytes(trimmed)
  return bytesPerSecond !== undefined && bytesPerSecond >= MIN_RATE ? bytesPerSecond : undefined
}

/** The shortest exact spelling of a rate, which `parseRate` reads back: `50MiB/s`, `unlimited`. */
export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond === Number.POSITIVE_INFINITY ? UNLIMITED : `${formatSize(bytesPerSecond)}/s`
}

function parseBytes(text: string): number | undefined {
  return text.endsWith('/s') && /[a-z]\/s$/.test(text) ? parseSize(text.slice(0, -'/s'.length)) : undefined
}

function parseBits(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9}(?:\.\d{1,6})?) ?([kmg]bit)$/.exec(text) ?? []
  return amount === undefined ? undefined : Math.round((Number(amount) * (BITS[unit ?? ''] ?? 0)) / 8)
}
