import { z } from 'zod'
import { DOCKER_HUB, normalizeNamespace } from '../oci/index.ts'
import { type Credentials, parseSecretJson } from './credentials.ts'

/** The host that stands for Docker Hub in docker's own files and for its helpers. */
const HUB_SERVER = 'https://index.docker.io/v1/'

const AuthEntry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
})

const ConfigFile = z.object({
  auths: z.record(z.string(), AuthEntry).default({}),
  credHelpers: z.record(z.string(), z.string()).default({}),
  credsStore: z.string().optional(),
})

/** What a docker `config.json` says about credentials. */
export type DockerConfig = z.infer<typeof ConfigFile>

/** Parses a docker `config.json`; throws when it is not one. */
export function parseDockerConfig(text: string): DockerConfig {
  return ConfigFile.parse(parseSecretJson(text))
}

/** The helper that is to be asked for `host` and the name it knows the host by, if there is one. */
export function helperFor(config: DockerConfig, host: string): { helper: string; server: string } | undefined {
  const own = Object.entries(config.credHelpers).find(([key]) => keyHost(key) === host)
  const helper = own?.[1] ?? config.credsStore
  return helper === undefined || helper === '' ? undefined : { helper, server: host === DOCKER_HUB ? HUB_SERVER : host }
}

/**
 * The credentials written in the file for a repository on `host`. Keys may be hosts, URLs, hosts with `*` for whole labels, and hosts with the
 * beginning of a repository path (Kubernetes pull secrets); the longest path wins, then the key without a `*`.
 */
export function credentialsIn(config: DockerConfig, host: string, repository: string): Credentials | undefined {
  const matches = Object.entries(config.auths)
    .map(([key, entry]) => ({ ...splitKey(key), credentials: credentialsOf(entry) }))
    .filter((key) => key.credentials !== undefined && hostMatches(key.host, host) && pathMatches(key.path, repository))
  matches.sort((a, b) => b.path.length - a.path.length || Number(a.host.includes('*')) - Number(b.host.includes('*')))
  return matches[0]?.credentials
}

function credentialsOf(entry: z.infer<typeof AuthEntry>): Credentials | undefined {
  if (entry.identitytoken) return { kind: 'identity', token: entry.identitytoken }
  if (entry.username && entry.password) return { kind: 'password', username: entry.username, password: entry.password }
  const pair = Buffer.from(entry.auth ?? '', 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon < 1) return undefined
  // Some tools pad the pair with zero bytes, as old docker did.
  return { kind: 'password', username: pair.slice(0, colon), password: pair.slice(colon + 1).replace(/\0+$/, '') }
}

function splitKey(key: string): { host: string; path: string } {
  const bare = key.replace(/^https?:\/\//, '')
  const slash = bare.indexOf('/')
  const path = slash === -1 ? '' : bare.slice(slash + 1).replace(/\/+$/, '')
  // `/v1` and `/v2` are versions of the API in docker's keys, not repositories.
  return { host: keyHost(key), path: /^v[12]$/.test(path) ? '' : path }
}

function keyHost(key: string): string {
  const host = key.replace(/^https?:\/\//, '').split('/', 1)[0] ?? ''
  return normalizeNamespace(host) ?? host.toLowerCase()
}

function hostMatches(pattern: string, host: string): boolean {
  if (!pattern.includes('*')) return pattern === host
  const labels = pattern.split('.')
  const hostLabels = host.split('.')
  return labels.length === hostLabels.length && labels.every((label, i) => labelMatches(label, hostLabels[i] ?? ''))
}

function labelMatches(pattern: string, label: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === label
  const before = pattern.slice(0, star)
  const after = pattern.slice(star + 1)
  return label.length >= before.length + after.length && label.startsWith(before) && label.endsWith(after)
}

function pathMatches(path: string, repository: string): boolean {
  return path === '' || repository === path || repository.startsWith(`${path}/`)
}
