import { type Digest, parseDigest } from '../core/index.ts'
import { isRepositoryName, isTag } from './names.ts'
import { DOCKER_HUB, splitNamespace } from './namespace.ts'

/** Longest image reference worth looking at: a namespace, a repository, a tag and a digest at their limits. */
const MAX_LENGTH = 1024

/** An image as users write it, with docker's defaults filled in. At least one of `tag` and `digest` is there; the digest wins. */
export interface ImageReference {
  readonly namespace: string
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: Digest | undefined
}

/**
 * Parses `nginx`, `docker.io/library/nginx:1.25` or `ghcr.io/a/b:v1@sha256:…`; `undefined` when it is not an image reference.
 * Without a registry it is Docker Hub's, there a bare name is in `library/`, and without tag and digest it is `latest`.
 */
export function parseImageReference(text: string): ImageReference | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const at = text.indexOf('@')
  const digest = at === -1 ? undefined : parseDigest(text.slice(at + 1))
  if (at !== -1 && digest === undefined) return undefined

  const { name, tag } = cutTag(at === -1 ? text : text.slice(0, at))
  if (tag !== undefined && !isTag(tag)) return undefined

  const { namespace = DOCKER_HUB, repository: path } = splitNamespace(name)
  const repository = namespace === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path
  if (!isRepositoryName(repository)) return undefined
  return { namespace, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest }
}

/** The image as one string that `parseImageReference` reads back to the same value. */
export function imageReferenceText(image: ImageReference): string {
  const tag = image.tag === undefined ? '' : `:${image.tag}`
  const digest = image.digest === undefined ? '' : `@${image.digest}`
  return `${image.namespace}/${image.repository}${tag}${digest}`
}

// A colon before the last slash belongs to a port, not to a tag.
function cutTag(text: string): { name: string; tag: string | undefined } {
  const colon = text.lastIndexOf(':')
  if (colon <= text.lastIndexOf('/')) return { name: text, tag: undefined }
  return { name: text.slice(0, colon), tag: text.slice(colon + 1) }
}
