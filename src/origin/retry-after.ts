/** Longest wait taken over from a header: a day, so that a typo or malice does not switch a registry off for good. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000

/** Milliseconds that a Retry-After header (RFC 9110, section 10.2.3: seconds or a date) asks for, or `undefined` when it says nothing. */
export function parseRetryAfter(value: string | undefined, wallTimeMs: number): number | undefined {
  const text = value?.trim() ?? ''
  if (text === '') return undefined
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallTimeMs
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(0, waitMs), MAX_RETRY_AFTER_MS)
}
