const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Bytes for people, by 1000 and with three digits: `0 B`, `53.2 MB`, `1.40 GB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  // 999.5 would be rounded to a fourth digit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value.toFixed(0) : value.toPrecision(3)} ${UNITS[unit]}`
}

/** Seconds for people: `0.21 s`, `12.4 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(2)} s`
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

/** Share of a whole: `37 %`, `0.4 %`; `-` of nothing. Never says 100 % or 0 % of what is only almost that. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return '-'
  const percent = (part / whole) * 100
  if (percent > 0 && percent < 1) return `${Math.max(percent, 0.1).toFixed(1)} %`
  return `${percent < 100 ? Math.floor(percent) : 100} %`
}

/** Text from elsewhere without what a terminal would obey: control characters become `?`. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
}

/** The beginning and the end of a long name, `12D3Ko…9fTq`, in at most `length` characters. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text
  const tail = Math.floor((length - 1) / 2)
  return `${text.slice(0, length - 1 - tail)}…${text.slice(text.length - tail)}`
}
