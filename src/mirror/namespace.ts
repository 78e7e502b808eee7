import { DOCKER_HUB, looksLikeNamespace, normalizeNamespace } from '../oci/index.ts'

/** `127.0.0.1_5601`, as tools write host and port where a colon cannot stand. */
const UNDERSCORE_PORT = /^(.+)_(\d{1,5})$/

/** The namespace that the first component of a name stands for, or `undefined` when it does not look like a registry. */
export function namespaceOfComponent(component: string): string | undefined {
  const [, host, port] = UNDERSCORE_PORT.exec(component) ?? []
  if (host !== undefined && looksLikeNamespace(host)) return normalizeNamespace(`${host}:${port}`)
  return looksLikeNamespace(component) ? normalizeNamespace(component) : undefined
}

/** The repository as its registry names it: official images on Docker Hub live under `library/`. */
export function canonicalRepository(namespace: string, repository: string): string {
  return namespace === DOCKER_HUB && !repository.includes('/') ? `library/${repository}` : repository
}
