/** Milliseconds per unit, largest first; the spelling is that of Go and Kubernetes, with `d` added. */
const UNIT_MS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]

const WHOLE = /^(?:\d{1,12}(?:\.\d{1,3})?(?:d|h|ms|m|s))+$/
const PART = /(\d+(?:\.\d+)?)(d|h|ms|m|s)/g

/** Milliseconds of a duration such as `30s`, `200ms`, `1h30m` or `0`; `undefined` when it is none or has no unit. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (trimmed === '0') return 0
  if (trimmed.length > 64 || !WHOLE.test(trimmed)) return undefined
  let totalMs = 0
  for (const [, amount, unit] of trimmed.matchAll(PART)) {
    totalMs += Number(amount) * (UNIT_MS.find(([name]) => name === unit)?.[1] ?? Number.NaN)
  }
  const rounded = Math.round(totalMs)
  return Number.isSafeInteger(rounded) ? rounded : undefined
}

/** The spelling of `durationMs` that `parseDuration` reads back: `1h30m`, `200ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  let restMs = durationMs
  let text = ''
  for (const [unit, ms] of UNIT_MS) {
    const count = Math.floor(restMs / ms)
    if (count > 0) text += `${count}${unit}`
    restMs -= count * ms
  }
  return text === '' ? '0s' : text
}
