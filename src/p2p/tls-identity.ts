import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, type X509Certificate } from 'node:crypto'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { bitString, contextTag, explicit, integer, objectId, octetString, sequence, setOf, time, utf8 } from './der.ts'
import type { Identity } from './identity.ts'
import { peerIdOf } from './identity.ts'

/** Key and certificate of an identity, both as PEM; the key is a secret. */
export interface TlsIdentity {
  readonly peerId: string
  readonly key: string
  readonly certificate: string
}

/** An Ed25519 seed's length (RFC 8032 section 5.1.5). */
const SEED_BYTES = 32

/** id-Ed25519 (RFC 8410 section 3); as an algorithm it has no parameters. */
const ED25519 = sequence(objectId(1, 3, 101, 112))

/** id-at-commonName (RFC 5280 appendix A.1). */
const COMMON_NAME = objectId(2, 5, 4, 3)

/** X.509 version 3 (RFC 5280 section 4.1.2.1). */
const VERSION_3 = integer(Buffer.of(2))

/** RFC 5280 section 4.1.2.5: the dates of a certificate that has no good expiration date. Nobody here looks at them. */
const NOT_BEFORE = new Date('2000-01-01T00:00:00Z')
const NOT_AFTER = new Date('9999-12-31T23:59:59Z')

/** Makes the self-signed certificate whose key is the identity's own: whoever sees it knows the PeerId, without any authority. */
export function tlsIdentityOf(identity: Identity): TlsIdentity {
  const peerId = peerIdOf(identity)
  const key = privateKeyOf(identity)
  return {
    peerId,
    key: key.export({ format: 'pem', type: 'pkcs8' }),
    certificate: pem(certificateOf(peerId, key)),
  }
}

/** The PeerId behind a certificate as `tlsIdentityOf` makes it: Ed25519, signed with its own key. Anything else is `undefined`. */
export function peerIdOfCertificate(certificate: X509Certificate | undefined): string | undefined {
  try {
    const key = certificate?.publicKey
    if (certificate === undefined || key?.asymmetricKeyType !== 'ed25519' || !certificate.verify(key)) return undefined
    return peerIdFromPublicKey(publicKeyFromRaw(rawPublicKeyOf(key))).toString()
  } catch {
    return undefined
  }
}

/** The PKCS #8 form of an Ed25519 seed (RFC 8410 section 7). */
function privateKeyOf(identity: Identity): KeyObject {
  const seed = octetString(octetString(identity.raw.subarray(0, SEED_BYTES)))
  const der = sequence(integer(Buffer.of(0)), ED25519, seed)
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function certificateOf(peerId: string, key: KeyObject): Uint8Array {
  const name = sequence(setOf(sequence(COMMON_NAME, utf8(peerId))))
  const validity = sequence(time(NOT_BEFORE), time(NOT_AFTER))
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const body = sequence(explicit(contextTag(0), VERSION_3), serial(), ED25519, name, validity, name, publicKey)
  return sequence(body, ED25519, bitString(sign(null, body, key)))
}

/** A positive number of 64 random bits (RFC 5280 section 4.1.2.2). */
function serial(): Uint8Array {
  return integer(Buffer.concat([Buffer.of(1), randomBytes(8)]))
}

function rawPublicKeyOf(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'))
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
