import { hash } from 'node:crypto'

/** A password pair, or an identity token that buys access tokens at the realm (OAuth2 refresh token). */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }

/** The value of an Authorization header for HTTP Basic. */
export function basicAuthorization({
  username,
  password,
}: {
  readonly username: string
  readonly password: string
}): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** `JSON.parse` for text that may hold secrets: what it throws quotes nothing of the text. */
export function parseSecretJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SyntaxError('not JSON')
  }
}

/** Tells credentials apart in cache keys without keeping the secret in them. */
export function credentialsKey(credentials: Credentials | undefined): string {
  return credentials === undefined ? '' : hash('sha256', JSON.stringify(credentials), 'base64url')
}
