import { randomBytes } from 'node:crypto'

/** How a test registry knows its callers. */
export type RegistryAuth =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | {
      readonly kind: 'bearer'
      readonly username: string
      readonly password: string
      /** Repositories that an anonymous token opens. */
      readonly publicRepositories?: readonly string[]
      readonly expiresInSeconds?: number
      /** Realm to name in place of the registry's own `/token`. */
      readonly realm?: string
    }

const SERVICE = 'fault-registry'

/** Who may do what at a test registry, and the tokens it has given out. */
export class AuthDesk {
  readonly #auth: RegistryAuth | undefined
  readonly #baseUrl: () => string
  readonly #repositoriesByToken = new Map<string, readonly string[]>()

  constructor(auth: RegistryAuth | undefined, baseUrl: () => string) {
    this.#auth = auth
    this.#baseUrl = baseUrl
  }

  /** The challenge for a request that may not pass, or `undefined` when it may. */
  challenge(repository: string, authorization: string | undefined): string | undefined {
    const auth = this.#auth
    if (auth === undefined) return undefined
    if (auth.kind === 'basic') {
      return authorization === basic(auth) ? undefined : 'Basic realm="fault, \\"registry\\""'
    }
    const token = authorization?.replace(/^Bearer /, '') ?? ''
    if (this.#repositoriesByToken.get(token)?.includes(repository) === true) return undefined
    const realm = auth.realm ?? `${this.#baseUrl()}/token`
    const error = token === '' ? '' : ',error="invalid_token"'
    return `Bearer realm="${realm}",service="${SERVICE}",scope="repository:${repository}:pull"${error}`
  }

  /** The body of a token answer, or `undefined` when whoever asks is refused. */
  token(query: URLSearchParams, authorization: string | undefined): object | undefined {
    const auth = this.#auth
    if (auth?.kind !== 'bearer' || query.get('service') !== SERVICE) return undefined
    if (authorization !== undefined && authorization !== basic(auth)) return undefined
    const asked = query.getAll('scope').map((scope) => scope.split(':')[1] ?? '')
    const isAnonymous = authorization === undefined
    const granted = isAnonymous ? asked.filter((name) => auth.publicRepositories?.includes(name)) : asked
    const token = randomBytes(16).toString('hex')
    this.#repositoriesByToken.set(token, granted)
    return { token, ...(auth.expiresInSeconds === undefined ? {} : { expires_in: auth.expiresInSeconds }) }
  }

  /** Makes every token given out so far worthless. */
  revokeTokens(): void {
    this.#repositoriesByToken.clear()
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
