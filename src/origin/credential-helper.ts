import { execFile } from 'node:child_process'
import type { AbortOptions } from '../core/index.ts'
import { type Credentials, parseSecretJson } from './credentials.ts'

/** Helpers ask a cloud's API or a keyring; those that take longer hang on something. */
const DEADLINE_MS = 10_000

/** Largest answer read: cloud tokens reach 4 KiB. */
const MAX_OUTPUT_BYTES = 64 * 1024

/** What a helper may be called, so that a config file cannot name a program elsewhere. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** User name that says the secret is an identity token (docker's credential helper protocol). */
const IDENTITY_USER = '<token>'

/**
 * Asks `docker-credential-<helper> get` for the credentials of `host`. `undefined` when it has none; rejects when it fails, says something
 * unreadable, or exceeds its deadline.
 */
export async function askCredentialHelper(
  helper: string,
  host: string,
  options: AbortOptions,
): Promise<Credentials | undefined> {
  if (!NAME.test(helper)) throw new Error(`credential helper name ${JSON.stringify(helper)} is not allowed`)
  const output = await run(`docker-credential-${helper}`, host, options)
  if (output === undefined) return undefined
  const { Username: username, Secret: secret } = parseSecretJson(output) as { Username?: unknown; Secret?: unknown }
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw new Error(`credential helper ${helper} gave no Username and Secret`)
  return username === IDENTITY_USER
    ? { kind: 'identity', token: secret }
    : { kind: 'password', username, password: secret }
}

/** Standard output of the helper, or `undefined` when it says, as helpers do, that there are no credentials. */
async function run(program: string, input: string, { signal }: AbortOptions): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
  const limits = { timeout: DEADLINE_MS, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES } as const
  const child = execFile(
    program,
    ['get'],
    { ...limits, ...(signal === undefined ? {} : { signal }) },
    (error, stdout) => {
      if (error === null) resolve(stdout)
      else if (stdout.includes('credentials not found')) resolve(undefined)
      // The output may hold secrets: only how it ended goes into the error.
      else reject(new Error(`${program} failed (${error.code ?? error.signal ?? error.name})`))
    },
  )
  // A helper that ends without reading its input is told by its exit code.
  child.stdin?.on('error', () => {})
  child.stdin?.end(`${input}\n`)
  return await promise
}
