import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Guard } from './counting-proxy.ts'

export interface TokenServerInit {
  /** Passwords by user name; whoever is in here may pull everything. */
  readonly users: Readonly<Record<string, string>>
}

/** Name that the challenge and the token request agree on. */
const SERVICE = 'test-registry'

/** Life of a token: longer than any test, so that only the tests about expiry see one end. */
const TOKEN_LIFE_SECONDS = 300

const REPOSITORY_PATH = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//

/**
 * The token service of a private registry (distribution's token authentication): a token for the pull scope of a
 * repository goes to those who know a password, one that opens nothing to everybody else.
 */
export class TokenServer implements AsyncDisposable {
  readonly #init: TokenServerInit
  readonly #scopesByToken = new Map<string, ReadonlySet<string>>()
  readonly #server: Server
  #grantCount = 0

  private constructor(init: TokenServerInit) {
    this.#init = init
    this.#server = createServer((incoming, answer) => {
      this.#answer(incoming, answer).catch(() => answer.destroy())
    })
  }

  static async start(init: TokenServerInit): Promise<TokenServer> {
    const server = new TokenServer(init)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get realm(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/token`
  }

  /** How many tokens were given to somebody with a password. */
  get grantCount(): number {
    return this.#grantCount
  }

  /** What a registry asks of each request: a token for the pull scope of the repository. */
  readonly guard: Guard = ({ path, authorization }) => {
    const repository = REPOSITORY_PATH.exec(path)?.[1]
    const scope = repository === undefined ? undefined : `repository:${repository}:pull`
    const scopes = this.#scopesByToken.get(authorization?.replace(/^Bearer /i, '') ?? '')
    const isAllowed = scopes !== undefined && (scope === undefined || scopes.has(scope))
    if (isAllowed) return undefined
    return `Bearer realm="${this.realm}",service="${SERVICE}"${scope === undefined ? '' : `,scope="${scope}"`}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const query = new URL(incoming.url ?? '/', this.realm).searchParams
    const form = incoming.method === 'POST' ? new URLSearchParams(await text(incoming)) : query
    const asked = form.getAll('scope').flatMap((scope) => scope.split(' '))
    const credentials = basicCredentials(incoming.headers.authorization) ?? formCredentials(form)
    const isKnown = credentials !== undefined && this.#init.users[credentials.user] === credentials.password
    if (credentials !== undefined && !isKnown) {
      answer.writeHead(401, { 'content-type': 'application/json' }).end('{"details":"wrong user or password"}')
      return
    }
    const token = randomBytes(24).toString('base64url')
    this.#scopesByToken.set(token, new Set(isKnown ? asked : []))
    if (isKnown) this.#grantCount += 1
    const body = { token, access_token: token, expires_in: TOKEN_LIFE_SECONDS, issued_at: new Date().toISOString() }
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}

interface Credentials {
  readonly user: string
  readonly password: string
}

function basicCredentials(authorization: string | undefined): Credentials | undefined {
  const encoded = /^Basic (.+)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString()
  const colon = decoded.indexOf(':')
  return { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
}

function formCredentials(form: URLSearchParams): Credentials | undefined {
  const user = form.get('username')
  const password = form.get('password')
  return user === null || password === null ? undefined : { user, password }
}
