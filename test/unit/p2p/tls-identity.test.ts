import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { generateIdentity, peerIdOf, peerIdOfCertificate, tlsIdentityOf } from '../../../src/p2p/index.ts'

/** A self-signed certificate with an ECDSA key on P-256. */
const ECDSA_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUXHhoofPuQq8pXjPT4vExnsoC9ykwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjIwNjEzMzJaGA8yMTI2MTAyOTA2MTMzMlow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABP5CAjLBTreH
oNJzb6brrzYpgl6xZauqUaWjtV5pEvfqXRT9OhDP9zcIN9ak7d5ZrzIO74XFijVI
Mw/wParyIjOjUzBRMB0GA1UdDgQWBBTfVZqRCRmAMxB3JsIrejm/RwFdJjAfBgNV
HSMEGDAWgBTfVZqRCRmAMxB3JsIrejm/RwFdJjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCICNQSI+yUwHxND99VHau3L8e7IUrCcWgFHb7zGwiqcFN
AiBXtJ55sIov/DSiN04dbEi3sqbi4QqJPjCgbBR4z4cGpA==
-----END CERTIFICATE-----
`

describe('a TLS identity', () => {
  it('has the key of the identity, and a certificate from which the PeerId follows', async () => {
    const identity = await generateIdentity()
    const { key, certificate, peerId } = tlsIdentityOf(identity)
    const parsed = new X509Certificate(certificate)
    assert.equal(peerId, peerIdOf(identity))
    assert.equal(peerIdOfCertificate(parsed), peerId)
    assert.equal(parsed.subject, `CN=${peerId}`)
    assert.equal(parsed.checkPrivateKey(createPrivateKey(key)), true)
    assert.ok(new Date(parsed.validFrom) < new Date() && new Date(parsed.validTo) > new Date('2100-01-01'))
  })

  it('is not believed with a broken signature, another kind of key, or no certificate', async () => {
    const { certificate } = tlsIdentityOf(await generateIdentity())
    const der = Buffer.from(new X509Certificate(certificate).raw)
    der.writeUInt8(der.readUInt8(der.length - 20) ^ 1, der.length - 20)
    assert.equal(peerIdOfCertificate(new X509Certificate(der)), undefined)
    assert.equal(peerIdOfCertificate(new X509Certificate(ECDSA_CERTIFICATE)), undefined)
    assert.equal(peerIdOfCertificate(undefined), undefined)
  })
})
