import { readFile, stat } from 'node:fs/promises'
import type { AbortOptions, Clock } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { askCredentialHelper } from './credential-helper.ts'
import type { Credentials } from './credentials.ts'
import { credentialsIn, type DockerConfig, helperFor, parseDockerConfig } from './docker-config.ts'

/** Largest config file read; real ones have a few entries. */
const MAX_FILE_BYTES = 1024 * 1024

/** A helper's answer is kept this long: cloud tokens live an hour or more, and a process per token request is dear. */
const HELPER_TTL_MS = 5 * 60 * 1000

/** Most helper answers kept; one per registry. */
const MAX_HELPER_ANSWERS = 256

interface HelperAnswer {
  readonly credentials: Promise<Credentials | undefined>
  readonly untilMs: number
}

/**
 * The agent's credentials as docker keeps them. A file or helper that cannot be read is logged and counts as having none, so that
 * public images go on; a broken file keeps what it said before.
 */
export class DockerCredentials {
  readonly #file: string | undefined
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #helperAnswers = new Map<string, HelperAnswer>()
  #version = ''
  #config: DockerConfig | undefined

  constructor(file: string | undefined, components: { readonly logger: Logger; readonly clock: Clock }) {
    this.#file = file
    this.#logger = components.logger
    this.#clock = components.clock
  }

  /** Credentials for a repository on `host` (`docker.io` for Docker Hub): a helper's first, then those in the file. */
  async find(host: string, repository: string, options: AbortOptions): Promise<Credentials | undefined> {
    const config = await this.#read()
    options.signal?.throwIfAborted()
    if (config === undefined) return undefined
    const helper = helperFor(config, host)
    const helped = helper === undefined ? undefined : await this.#ask(helper.helper, helper.server)
    return helped ?? credentialsIn(config, host, repository)
  }

  // Mounted secrets change by renaming a link, so what tells a change is what the link leads to.
  async #read(): Promise<DockerConfig | undefined> {
    if (this.#file === undefined) return undefined
    try {
      const { mtimeMs, size, ino } = await stat(this.#file)
      const version = `${mtimeMs} ${size} ${ino}`
      if (version === this.#version) return this.#config
      this.#version = version
      if (size > MAX_FILE_BYTES) throw new RangeError(`file has ${size} bytes`)
      this.#config = parseDockerConfig(await readFile(this.#file, 'utf8'))
      this.#helperAnswers.clear()
    } catch (error) {
      this.#explain(error)
    }
    return this.#config
  }

  #explain(error: unknown): void {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (isAbsent) {
      this.#config = undefined
      this.#version = ''
      return
    }
    this.#logger.warn({ file: this.#file, err: error }, 'cannot read the docker config file')
  }

  // Shared by all who ask for the same, so it runs to its own deadline and not to the end of the first caller.
  async #ask(helper: string, server: string): Promise<Credentials | undefined> {
    const key = `${helper} ${server}`
    const known = this.#helperAnswers.get(key)
    if (known !== undefined && known.untilMs > this.#clock.now()) return await known.credentials
    const credentials = askCredentialHelper(helper, server, {}).catch((error: unknown) => {
      this.#logger.warn({ helper, server, err: error }, 'credential helper failed')
      this.#helperAnswers.delete(key)
      return undefined
    })
    if (this.#helperAnswers.size >= MAX_HELPER_ANSWERS) this.#helperAnswers.clear()
    this.#helperAnswers.set(key, { credentials, untilMs: this.#clock.now() + HELPER_TTL_MS })
    return await credentials
  }
}
