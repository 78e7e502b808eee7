/** One challenge of a WWW-Authenticate header: scheme and parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string
  readonly token68: string | undefined
  readonly params: ReadonlyMap<string, string>
}

/** Longest header read: a challenge has a realm, a service and a few scopes, well under 4 KiB. */
const MAX_HEADER_LENGTH = 16 * 1024

/** Most challenges read: registries send one or two. */
const MAX_CHALLENGES = 16

/** Most parameters kept of one challenge: Digest, the richest scheme, has 10. */
const MAX_PARAMS = 32

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y
const EQUALS = /[ \t]*=[ \t]*/y
const SEPARATORS = /[ \t,]*/y
const SPACES = /[ \t]+/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy
// Wider than a token: some registries leave out the quotes around a realm URL.
const BARE_VALUE = /[^\s,"]*/y
const REST_OF_ELEMENT = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)*/sy

/**
 * Parses WWW-Authenticate values (RFC 9110, section 11.6.1): several challenges in one value, quoted commas, escaped quotes, token68.
 * Never throws: what breaks the grammar is skipped up to the next comma, and of a parameter given twice the first counts.
 */
export function parseChallenges(header: string | readonly string[]): Challenge[] {
  const challenges: Challenge[] = []
  for (const value of typeof header === 'string' ? [header] : header.slice(0, MAX_CHALLENGES)) {
    if (value.length > MAX_HEADER_LENGTH) continue
    const reader = new Reader(value)
    while (!reader.isAtEnd && challenges.length < MAX_CHALLENGES) {
      const challenge = readChallenge(reader)
      if (challenge !== undefined) challenges.push(challenge)
    }
  }
  return challenges
}

class Reader {
  readonly #text: string
  #position = 0

  constructor(text: string) {
    this.#text = text
    this.take(SEPARATORS)
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#text.length
  }

  /** What the sticky `pattern` matches here, its first group if it has one, and moves past it; `undefined` leaves the place as it is. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#position = pattern.lastIndex
    return match[1] ?? match[0]
  }

  /** Runs `read` and goes back to where it began when it gives `undefined`. */
  attempt<T>(read: () => T | undefined): T | undefined {
    const start = this.#position
    const result = read()
    if (result === undefined) this.#position = start
    return result
  }

  /** Moves to the beginning of the next list element. */
  skipElement(): void {
    this.take(REST_OF_ELEMENT)
    this.take(SEPARATORS)
  }
}

function readChallenge(reader: Reader): Challenge | undefined {
  const scheme = reader.attempt(() => readScheme(reader))
  if (scheme === undefined) {
    reader.skipElement()
    return undefined
  }
  const params = new Map<string, string>()
  const token68 = reader.take(SPACES) === undefined ? undefined : reader.take(TOKEN68)
  reader.take(SEPARATORS)
  if (token68 === undefined) readParams(reader, params)
  return { scheme, token68, params }
}

function readScheme(reader: Reader): string | undefined {
  const scheme = reader.take(TOKEN)?.toLowerCase()
  // A parameter here has lost its challenge.
  return scheme === undefined || reader.take(EQUALS) !== undefined ? undefined : scheme
}

function readParams(reader: Reader, params: Map<string, string>): void {
  for (;;) {
    const param = reader.attempt(() => readParam(reader))
    if (param === undefined) return
    if (params.size < MAX_PARAMS && !params.has(param.name)) params.set(param.name, param.value)
    reader.skipElement()
  }
}

function readParam(reader: Reader): { name: string; value: string } | undefined {
  const name = reader.take(TOKEN)?.toLowerCase()
  if (name === undefined || reader.take(EQUALS) === undefined) return undefined
  const quoted = reader.take(QUOTED)
  return { name, value: quoted === undefined ? (reader.take(BARE_VALUE) ?? '') : quoted.replace(/\\(.)/gs, '$1') }
}
