import {
  generateKeyPair,
  generateKeyPairFromSeed,
  privateKeyFromProtobuf,
  privateKeyToProtobuf,
} from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { KeyFileError } from './errors.ts'
import { createKeyFile, readKeyFile } from './key-file.ts'

/** Who this process is in the swarm: an Ed25519 private key. `raw` is the 32-byte seed followed by the 32-byte public key. */
export type Identity = Ed25519PrivateKey

/** Signs as the identity whose PeerId it carries. */
export interface PeerSigner {
  readonly peerId: string
  /** The 64-byte Ed25519 signature of `bytes`. */
  sign(bytes: Uint8Array): Promise<Uint8Array>
}

/** Length of an Ed25519 seed (RFC 8032 section 5.1.5); the public key follows from it. */
const SEED_BYTES = 32

/** A new random identity. */
export async function generateIdentity(): Promise<Identity> {
  return await generateKeyPair('Ed25519')
}

/** The identity in `file`; throws a KeyFileError (`missing`, `invalid`, `io`). */
export async function loadIdentity(file: string): Promise<Identity> {
  const identity = await parseIdentity(await readKeyFile(file))
  if (identity === undefined) {
    throw new KeyFileError(file, 'invalid', 'does not hold a libp2p Ed25519 private key in base64')
  }
  return identity
}

/** Writes `identity` to a new file of mode 0600; throws a KeyFileError `exists` rather than overwrite one. */
export async function saveIdentity(file: string, identity: Identity): Promise<void> {
  await createKeyFile(file, formatIdentity(identity))
}

/** The identity in `file`, which is created with a new one where there is none. Two processes that race end with the same one. */
export async function loadOrCreateIdentity(file: string): Promise<Identity> {
  try {
    return await loadIdentity(file)
  } catch (error) {
    if (!hasProblem(error, 'missing')) throw error
  }
  const identity = await generateIdentity()
  try {
    await saveIdentity(file, identity)
    return identity
  } catch (error) {
    if (!hasProblem(error, 'exists')) throw error
    return await loadIdentity(file)
  }
}

/** The text form of an identity: base64 of libp2p's protobuf for private keys. A secret. */
export function formatIdentity(identity: Identity): string {
  return Buffer.from(privateKeyToProtobuf(identity)).toString('base64')
}

/** The identity that `text` spells exactly, or `undefined` when it is no whole Ed25519 private key with its own public key. */
export async function parseIdentity(text: string): Promise<Identity | undefined> {
  try {
    const key = privateKeyFromProtobuf(Buffer.from(text, 'base64'))
    if (key.type !== 'Ed25519') return undefined
    // The protobuf carries both halves, and Buffer skips what is not base64: only what comes out the same again is whole.
    const whole = await generateKeyPairFromSeed('Ed25519', key.raw.subarray(0, SEED_BYTES))
    return formatIdentity(whole) === text ? whole : undefined
  } catch {
    return undefined
  }
}

/** The PeerId of `identity` in text form. */
export function peerIdOf(identity: Identity): string {
  return peerIdFromPrivateKey(identity).toString()
}

/** A signer that keeps the private key to itself. */
export function signerOf(identity: Identity): PeerSigner {
  return { peerId: peerIdOf(identity), sign: async (bytes) => await identity.sign(bytes) }
}

function hasProblem(error: unknown, problem: KeyFileError['problem']): boolean {
  return error instanceof KeyFileError && error.problem === problem
}
