import { LRUCache } from 'lru-cache'
import { type Challenge, parseChallenges } from '../oci/index.ts'
import type { AbortOptions } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { basicAuthorization, type Credentials } from './credentials.ts'
import type { DockerCredentials } from './docker-credentials.ts'
import type { Place } from './place.ts'
import { realmTrust } from './realm-policy.ts'
import type { Identity, PasswordCredentials } from './settings.ts'
import type { TokenDemand, TokenSource } from './token-source.ts'

/** Most repositories whose challenge is remembered, so that the next request brings its token along. */
const MAX_REMEMBERED = 1024

/** Most scopes bought at once; a challenge names one or two. */
const MAX_SCOPES = 8

const BEARER = 'Bearer '

export interface AuthenticatorInit {
  readonly place: Place
  readonly credentials: PasswordCredentials | undefined
}

export interface AuthenticatorComponents {
  readonly tokens: TokenSource
  readonly dockerCredentials: DockerCredentials
  readonly logger: Logger
}

/** Answers the challenges of one registry. Remembers which challenge each repository made; never keeps anything of a caller's. */
export class Authenticator {
  readonly #init: AuthenticatorInit
  readonly #components: AuthenticatorComponents
  readonly #challengeByRepository = new LRUCache<string, Challenge>({ max: MAX_REMEMBERED })

  constructor(init: AuthenticatorInit, components: AuthenticatorComponents) {
    this.#init = init
    this.#components = components
  }

  /** The Authorization to send with a first request, when one is known that will be wanted. */
  async initial(repository: string, identity: Identity, options: AbortOptions): Promise<string | undefined> {
    if (identity.kind === 'caller') return identity.authorization
    const challenge = this.#challengeByRepository.get(repository)
    // Only the agent's requests save the extra round trip; an anonymous one is to see the origin's own challenge.
    if (challenge === undefined || identity.kind === 'anonymous') return undefined
    return await this.#answer(challenge, repository, identity, undefined, options)
  }

  /** The Authorization to try again with after a 401 to a request that had `sent`, or `undefined` when there is nothing better. */
  async afterChallenge(
    raw: readonly string[],
    sent: string | undefined,
    repository: string,
    identity: Identity,
    options: AbortOptions,
  ): Promise<string | undefined> {
    if (identity.kind === 'caller') return undefined
    const challenges = parseChallenges(raw)
    const known = ['bearer', 'basic'].map((scheme) => challenges.find((challenge) => challenge.scheme === scheme))
    const challenge = known.find((found) => found !== undefined)
    if (challenge === undefined) return undefined
    this.#challengeByRepository.set(repository, challenge)
    const authorization = await this.#answer(challenge, repository, identity, sent, options)
    return authorization === sent ? undefined : authorization
  }

  async #answer(
    challenge: Challenge,
    repository: string,
    identity: Identity,
    rejected: string | undefined,
    options: AbortOptions,
  ): Promise<string | undefined> {
    const credentials = identity.kind === 'agent' ? await this.#credentials(repository, options) : undefined
    if (challenge.scheme === 'basic')
      return credentials?.kind === 'password' ? basicAuthorization(credentials) : undefined

    const demand = this.#demandOf(challenge, repository, credentials)
    if (demand === undefined) return undefined
    if (rejected?.startsWith(BEARER)) this.#components.tokens.forget(demand, rejected.slice(BEARER.length))
    const token = await this.#components.tokens.token(demand, options)
    return token === undefined ? undefined : `${BEARER}${token}`
  }

  #demandOf(challenge: Challenge, repository: string, credentials: Credentials | undefined): TokenDemand | undefined {
    const { place } = this.#init
    const realm = URL.parse(challenge.params.get('realm') ?? '')
    const trust = realm === null ? 'refused' : realmTrust(place, realm)
    if (realm === null || trust === 'refused') {
      this.#components.logger.warn({ namespace: place.namespace, realm: realm?.origin }, 'token realm refused')
      return undefined
    }
    if (trust === 'anonymous' && credentials !== undefined) {
      this.#components.logger.warn(
        { namespace: place.namespace, realm: realm.origin },
        'token realm is not trusted with credentials',
      )
    }
    const scopes = challenge.params.get('scope')?.split(' ').filter(Boolean).slice(0, MAX_SCOPES) ?? []
    return {
      realm,
      service: challenge.params.get('service'),
      scopes: scopes.length === 0 ? [`repository:${repository}:pull`] : scopes,
      credentials: trust === 'credentials' ? credentials : undefined,
    }
  }

  async #credentials(repository: string, options: AbortOptions): Promise<Credentials | undefined> {
    const { credentials, place } = this.#init
    if (credentials !== undefined) return { kind: 'password', ...credentials }
    return await this.#components.dockerCredentials.find(place.credentialHost, repository, options)
  }
}
