import { readFile } from 'node:fs/promises'
import type { Config, RegistryConfig } from '../config/index.ts'
import { ShoalError } from '../core/index.ts'
import type { OriginClientInit, RegistrySettings } from '../origin/index.ts'

/** A password is a line; a file much longer than the longest cloud token is not one. */
const MAX_PASSWORD_LENGTH = 16 * 1024

/** The origin client's settings for what the configuration says; passwords are read from their files here, once. */
export async function originInit(config: Config, userAgent: string): Promise<OriginClientInit> {
  const registries = new Map<string, RegistrySettings>()
  for (const registry of config.registries) registries.set(registry.namespace, await settingsOf(registry))
  const { originConnectMs, originHeadersMs, originIdleMs } = config.timeouts
  return {
    registries,
    dockerConfigFile: config.credentials.dockerConfigFile,
    timeouts: { connectMs: originConnectMs, headersMs: originHeadersMs, bodyIdleMs: originIdleMs },
    userAgent,
  }
}

async function settingsOf(registry: RegistryConfig): Promise<RegistrySettings> {
  const { url, caFile, realmHosts, maxConcurrency, requestsPerSecond, username, passwordFile } = registry
  const base: RegistrySettings = { url, caFile, realmHosts, maxConcurrency, requestsPerSecond }
  if (username === undefined || passwordFile === undefined) return base
  return { ...base, credentials: { username, password: await readPassword(registry.namespace, passwordFile) } }
}

async function readPassword(namespace: string, file: string): Promise<string> {
  let password: string
  try {
    password = (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    const message = `registries.${namespace}.passwordFile: ${file} cannot be read`
    throw new ShoalError(message, { code: 'PASSWORD_FILE', blame: 'caller', retryable: false, cause })
  }
  if (password.length > 0 && password.length <= MAX_PASSWORD_LENGTH) return password
  const message = `registries.${namespace}.passwordFile: ${file} does not hold a password`
  throw new ShoalError(message, { code: 'PASSWORD_FILE', blame: 'caller', retryable: false })
}
