import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import {
  formatIdentity,
  generateIdentity,
  isPeerId,
  parseIdentity,
  peerIdOf,
  signerOf,
} from '../../../src/p2p/index.ts'

describe('identity', () => {
  it('comes back from its text with the same PeerId', async () => {
    const identity = await generateIdentity()
    const again = await parseIdentity(formatIdentity(identity))
    assert.ok(again !== undefined)
    assert.equal(peerIdOf(again), peerIdOf(identity))
    assert.ok(isPeerId(peerIdOf(identity)))
  })

  it('signs what its public key verifies', async () => {
    const identity = await generateIdentity()
    const signer = signerOf(identity)
    const signature = await signer.sign(Buffer.from('map'))
    assert.equal(signer.peerId, peerIdOf(identity))
    assert.equal(signature.byteLength, 64)
    assert.ok(await identity.publicKey.verify(Buffer.from('map'), signature))
    assert.ok(!(await identity.publicKey.verify(Buffer.from('mop'), signature)))
  })

  it('is an Ed25519 key and nothing else', async () => {
    const other = await generateKeyPair('secp256k1')
    assert.equal(await parseIdentity(Buffer.from(privateKeyToProtobuf(other)).toString('base64')), undefined)
  })

  for (const text of ['', 'hello', 'AAAA', '-----BEGIN PRIVATE KEY-----', '{}']) {
    it(`is not made of ${JSON.stringify(text)}`, async () => assert.equal(await parseIdentity(text), undefined))
  }
})
