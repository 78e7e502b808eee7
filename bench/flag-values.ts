/** Bytes by unit, as Kubernetes and tc write them: powers of 1024 with an `i`, of 1000 without. */
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** Bits per second by unit, as tc writes them: always decimal. */
const BITS_PER_SECOND: Readonly<Record<string, number>> = { kbit: 1e3, mbit: 1e6, gbit: 1e9 }

/** Whole bytes of a size such as `256MiB`. */
export function parseSize(text: string): number {
  const bytes = Math.round(withUnit(text, BYTES, 'a size such as 256MiB, 1GiB or 500kB'))
  if (bytes < 1) throw new Error('expected at least one byte')
  return bytes
}

/** Bits per second of a rate such as `100mbit`. */
export function parseRate(text: string): number {
  const bits = withUnit(text, BITS_PER_SECOND, 'a rate such as 100mbit or 1gbit')
  if (bits < 1e3) throw new Error('expected at least 1kbit')
  return bits
}

/** A reader of whole numbers from `min` to `max`. */
export function countOf(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw new Error(`expected a whole number from ${min} to ${max}`)
    return value
  }
}

/** A reader of numbers, also fractions, from `min` to `max`. */
export function numberOf(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw new Error(`expected a number from ${min} to ${max}`)
    return value
  }
}

/** A reader of one of `choices`. */
export function choiceOf<const Choice extends string>(...choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text)
    if (choice === undefined) throw new Error(`expected ${choices.join(' or ')}`)
    return choice
  }
}

/** A list of http URLs, separated by commas. */
export function parseUrls(text: string): readonly URL[] {
  return text.split(',').map((part) => {
    const url = URL.canParse(part) ? new URL(part) : undefined
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
      throw new Error('expected URLs such as http://127.0.0.1:5000, separated by commas')
    return url
  })
}

function withUnit(text: string, units: Readonly<Record<string, number>>, expected: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text) ?? []
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (number === undefined || factor === undefined) throw new Error(`expected ${expected}`)
  return Number(number) * factor
}
