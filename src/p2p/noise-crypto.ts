import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { Uint8ArrayList } from 'uint8arraylist'

type Bytes = Parameters<ICryptoInterface['chaCha20Poly1305Encrypt']>[0]
type ByteList = Exclude<Bytes, Uint8Array>

const CIPHER = 'chacha20-poly1305'

/** Length of a Poly1305 tag (RFC 8439 section 2.5). */
const TAG_BYTES = 16

/**
 * A CipherState passes the same array for as long as its key lives, so the array's identity is the cache key and the
 * entry goes with it. On Node 24 a raw key costs 23 to 35 us a call and a KeyObject 2.7, at one call per 64 KiB frame.
 */
const keyObjects = new WeakMap<Uint8Array, KeyObject>()

/** Noise's primitives with ChaCha20-Poly1305 from OpenSSL under cached key objects; the same bytes on the wire as the default. */
export const noiseCrypto: ICryptoInterface = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt(plaintext: Bytes, nonce: Uint8Array, ad: Uint8Array, key: Uint8Array): ByteList {
    const cipher = createCipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES })
    if (ad.byteLength > 0) cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
    const output = newByteList()
    for (const part of partsOf(plaintext)) output.append(cipher.update(part))
    cipher.final()
    output.append(cipher.getAuthTag())
    return output
  },
  chaCha20Poly1305Decrypt(ciphertext: Bytes, nonce: Uint8Array, ad: Uint8Array, key: Uint8Array): Bytes {
    const textBytes = ciphertext.byteLength - TAG_BYTES
    const decipher = createDecipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES })
    if (ad.byteLength > 0) decipher.setAAD(ad, { plaintextLength: textBytes })
    decipher.setAuthTag(ciphertext.subarray(textBytes))
    const text = ciphertext instanceof Uint8Array ? ciphertext.subarray(0, textBytes) : ciphertext.sublist(0, textBytes)
    const output = newByteList()
    for (const part of partsOf(text)) output.append(decipher.update(part))
    decipher.final()
    return output
  },
}

function keyObject(key: Uint8Array): KeyObject {
  const cached = keyObjects.get(key)
  if (cached !== undefined) return cached
  const created = createSecretKey(key)
  keyObjects.set(key, created)
  return created
}

/** The package brings its own copy of uint8arraylist, whose type differs by name only: the copies know each other's lists by a shared symbol. */
function newByteList(): ByteList {
  return new Uint8ArrayList() as unknown as ByteList
}

function partsOf(bytes: Bytes): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}
