/** Binary units by 1024 and decimal units by 1000, as `docker`, `kubectl` and `df -H` write them. */
const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  pb: 1e15,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  pib: 2 ** 50,
}

/** Largest first, so that a size is written with as few digits as it exactly can. */
const EXACT_UNITS = ['PiB', 'TiB', 'GiB', 'MiB', 'KiB'] as const

const PATTERN = /^(\d{1,16}(?:\.\d{1,6})?) ?([a-z]{1,3})?$/i

/** Bytes of a size such as `50GiB`, `1.5 GB` or `4096`; `undefined` when it is none or is above 2^53 - 1. */
export function parseSize(text: string): number | undefined {
  const match = PATTERN.exec(text.trim())
  if (match === null) return undefined
  const unitBytes = UNIT_BYTES[(match[2] ?? 'b').toLowerCase()]
  if (unitBytes === undefined) return undefined
  const bytes = Math.round(Number(match[1]) * unitBytes)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest exact spelling of `sizeBytes`, which `parseSize` reads back: `50GiB`, `1500B`. */
export function formatSize(sizeBytes: number): string {
  const unit = EXACT_UNITS.find((name) => sizeBytes > 0 && sizeBytes % unitOf(name) === 0)
  return unit === undefined ? `${sizeBytes}B` : `${sizeBytes / unitOf(unit)}${unit}`
}

function unitOf(name: string): number {
  return UNIT_BYTES[name.toLowerCase()] ?? 1
}
