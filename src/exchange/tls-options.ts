import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { TlsIdentity } from '../p2p/index.ts'

/** What is negotiated by ALPN (RFC 7301), so that no other TLS service is taken for a bulk port. */
export const ALPN_PROTOCOL = 'shoal-exchange/1'

/** AES-128-GCM is the cheapest where there are AES instructions; ChaCha20 is for machines without. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256'

/** The byte that a listener says first, once it has let the peer in: a TLS 1.3 handshake is over for its client before that. */
export const ADMITTED = 0x01

/** Looks for a peer that vanished without a word while its lane waits for a want. */
export const KEEP_ALIVE_MS = 15_000

/** Key, certificate and what is spoken. TLS 1.3 only, and no tickets: no session outlives its socket, so each is proven anew. */
export function contextOptionsOf(identity: TlsIdentity): SecureContextOptions {
  return {
    key: identity.key,
    cert: identity.certificate,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/** What both ends ask for: a certificate of the other, which is judged by the PeerId behind it and by nothing else. */
export const PEER_OPTIONS = {
  requestCert: true,
  rejectUnauthorized: false,
  ALPNProtocols: [ALPN_PROTOCOL],
}
