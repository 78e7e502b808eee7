import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { noiseCrypto } from '../../../src/p2p/noise-crypto.ts'

const key = randomBytes(32)
const nonce = randomBytes(12)

describe('noise crypto', () => {
  for (const length of [0, 1, 100, 1199, 1200, 65_519]) {
    for (const ad of [new Uint8Array(), randomBytes(32)]) {
      it(`makes and reads the default's bytes: ${length} bytes, ${ad.byteLength} authenticated beside them`, () => {
        const text = randomBytes(length)
        const sealed = noiseCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key).subarray()
        assert.deepEqual(
          Buffer.from(sealed),
          Buffer.from(defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key).subarray()),
        )
        assert.deepEqual(Buffer.from(noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, ad, key).subarray()), text)
      })
    }
  }

  it('refuses a frame with one bit changed', () => {
    const sealed = Uint8Array.from(
      noiseCrypto.chaCha20Poly1305Encrypt(randomBytes(50), nonce, new Uint8Array(), key).subarray(),
    )
    for (const at of [0, 49, 50, 65]) {
      const forged = Uint8Array.from(sealed)
      forged[at] = (forged[at] ?? 0) ^ 1
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(forged, nonce, new Uint8Array(), key))
    }
  })

  it('refuses a frame shorter than its tag', () => {
    assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(new Uint8Array(7), nonce, new Uint8Array(), key))
  })
})
