import { type Digest, parseDigest } from '../core/index.ts'

/** Longest repository name; the distribution specification advises 255 characters so that names fit registries' columns. */
const MAX_REPOSITORY_LENGTH = 255

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*'
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** What a manifest is asked by: a tag, which may move, or a digest, which may not. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest }

/** Whether `text` is a repository name of the distribution specification (`library/nginx`). */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text)
}

/** Whether `text` is a tag of the distribution specification. */
export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** The tag or sha256 digest that `text` spells, or `undefined` for anything else, other digest algorithms included. */
export function parseReference(text: string): Reference | undefined {
  const digest = parseDigest(text)
  if (digest !== undefined) return { kind: 'digest', digest }
  return isTag(text) ? { kind: 'tag', tag: text } : undefined
}

/** The text of `reference` as it stands in a request path. */
export function referenceText(reference: Reference): string {
  return reference.kind === 'tag' ? reference.tag : reference.digest
}
