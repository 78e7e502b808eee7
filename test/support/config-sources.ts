import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, ConfigError, type ConfigSources, loadConfig } from '../../src/config/index.ts'

/** A PeerId that no process has. */
export const PEER_ID = '12D3KooWDJpLYEHxPwSFbUMqandnsFobrwPnPAZMqi2a7VwJPsvH'

/** A disk on which shares are easy to read. */
const DISK_BYTES = 1_000_000

/** Configuration files in a folder that is removed with them. */
export class ConfigFolder implements AsyncDisposable {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  static async make(): Promise<ConfigFolder> {
    return new ConfigFolder(await mkdtemp(join(tmpdir(), 'shoal-config-')))
  }

  /** Writes a file and gives its path. */
  write(text: string): string {
    const file = join(this.#path, 'shoal.yaml')
    writeFileSync(file, text)
    return file
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { recursive: true, force: true })
  }
}

/** Loads an agent's configuration from the sources named. */
export function load(sources: Partial<ConfigSources>): Config {
  return loadConfig({ role: 'agent', env: {}, flags: {}, ...sources }, () => DISK_BYTES)
}

/** The lines of the refusal, or none when the configuration is taken. */
export function refusal(sources: Partial<ConfigSources>): string[] {
  try {
    load(sources)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
}
