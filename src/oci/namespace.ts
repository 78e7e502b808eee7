import { isIPv6 } from 'node:net'

/** The namespace of Docker Hub: what image references say, not the host that answers. */
export const DOCKER_HUB = 'docker.io'

/** The host that serves Docker Hub's distribution API. */
export const DOCKER_HUB_HOST = 'registry-1.docker.io'

// containerd and docker use all three for the same registry.
const DOCKER_HUB_NAMES: ReadonlySet<string> = new Set([DOCKER_HUB, DOCKER_HUB_HOST, 'index.docker.io'])

/** Longest DNS name (253) with a port. */
const MAX_NAMESPACE_LENGTH = 259

const HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const HOST_AND_PORT = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/

/**
 * The one spelling of a namespace (`host` or `host:port`, lower case, every name of Docker Hub as `docker.io`),
 * or `undefined` when `text` cannot be a registry host.
 */
export function normalizeNamespace(text: string): string | undefined {
  if (text.length > MAX_NAMESPACE_LENGTH) return undefined
  const namespace = text.toLowerCase()
  const match = HOST_AND_PORT.exec(namespace)
  if (match === null) return undefined
  const [, host = '', port] = match
  if (!isHost(host) || !isPort(port)) return undefined
  return DOCKER_HUB_NAMES.has(namespace) ? DOCKER_HUB : namespace
}

/**
 * Whether the first component of an image name is a registry and not a part of the repository: it has a dot or a colon,
 * or is `localhost` (the rule every client shares with docker).
 */
export function looksLikeNamespace(component: string): boolean {
  if (component !== 'localhost' && !component.includes('.') && !component.includes(':')) return false
  return normalizeNamespace(component) !== undefined
}

/** Cuts `docker.io/library/nginx` into its namespace, normalised, and the rest; the namespace is `undefined` when there is none. */
export function splitNamespace(name: string): { namespace: string | undefined; repository: string } {
  const slash = name.indexOf('/')
  const first = slash === -1 ? '' : name.slice(0, slash)
  if (!looksLikeNamespace(first)) return { namespace: undefined, repository: name }
  return { namespace: normalizeNamespace(first), repository: name.slice(slash + 1) }
}

/** Where the registry of a normalised namespace is reached when nothing else is configured, without a trailing slash. */
export function originUrlOf(namespace: string, options: { readonly plainHttp?: boolean } = {}): string {
  const host = namespace === DOCKER_HUB ? DOCKER_HUB_HOST : namespace
  return `${options.plainHttp === true ? 'http' : 'https'}://${host}`
}

function isHost(host: string): boolean {
  return host.startsWith('[') ? isIPv6(host.slice(1, -1)) : HOST.test(host)
}

function isPort(port: string | undefined): boolean {
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
}
