import { createHash, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { InvalidClusterKeyError, KeyFileError } from './errors.ts'
import { createKeyFile, readKeyFile } from './key-file.ts'

/** As many as the hash it goes through yields. */
const KEY_BYTES = 32

/** Names what the text is and its version, so that a wrong secret in the right file is told from a damaged one. */
const TEXT_PREFIX = 'shoal-cluster-key:1:'

/** Keeps the prologue apart from any other hash of the same key. */
const PROLOGUE_DOMAIN = 'shoal noise prologue v1\0'

/** The secret that all peers of one cluster share. Does not show its bytes when logged or serialised. */
export class ClusterKey {
  readonly #bytes: Uint8Array

  /** Takes its own copy of 32 secret bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.byteLength !== KEY_BYTES) throw new InvalidClusterKeyError(`it has ${bytes.byteLength} bytes, not 32`)
    this.#bytes = Uint8Array.from(bytes)
  }

  /** What goes into the Noise prologue (Noise specification section 6): ends with different prologues cannot finish a handshake. */
  prologue(): Uint8Array {
    return createHash('sha256').update(PROLOGUE_DOMAIN).update(this.#bytes).digest()
  }

  /** The secret as it is written to a file or a Kubernetes Secret. */
  toText(): string {
    return TEXT_PREFIX + Buffer.from(this.#bytes).toString('base64url')
  }

  toString(): string {
    return '[cluster key]'
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/** A new random key. */
export function generateClusterKey(): ClusterKey {
  return new ClusterKey(randomBytes(KEY_BYTES))
}

/** The key that `text` spells (surrounding white space allowed); throws an InvalidClusterKeyError. */
export function parseClusterKey(text: string): ClusterKey {
  const trimmed = text.trim()
  if (!trimmed.startsWith(TEXT_PREFIX)) throw new InvalidClusterKeyError(`it does not begin with ${TEXT_PREFIX}`)
  const key = new ClusterKey(Buffer.from(trimmed.slice(TEXT_PREFIX.length), 'base64url'))
  // Buffer skips what is not base64url; only text that comes out the same again is the key as it was written.
  if (key.toText() !== trimmed) throw new InvalidClusterKeyError('it is not 32 bytes in base64url')
  return key
}

/** The key in `file`; throws a KeyFileError (`missing`, `invalid`, `io`). */
export async function loadClusterKey(file: string): Promise<ClusterKey> {
  const text = await readKeyFile(file)
  try {
    return parseClusterKey(text)
  } catch (error) {
    if (!(error instanceof InvalidClusterKeyError)) throw error
    throw new KeyFileError(file, 'invalid', error.message, error)
  }
}

/** Writes `key` to a new file of mode 0600; throws a KeyFileError `exists` rather than overwrite one. */
export async function saveClusterKey(file: string, key: ClusterKey): Promise<void> {
  await createKeyFile(file, key.toText())
}
