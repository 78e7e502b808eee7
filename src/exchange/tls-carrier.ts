import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls'
import type { AbortOptions } from '../core/index.ts'
import type { TlsIdentity } from '../p2p/index.ts'
import type { ByteChannel } from './carrier.ts'
import { PeerClosedError } from './errors.ts'
import { TlsDial } from './tls-dial.ts'
import { contextOptionsOf, PEER_OPTIONS } from './tls-options.ts'

/** Where a peer's bulk port is. */
export interface BulkAddress {
  readonly host: string
  readonly port: number
}

/** A TLS record (RFC 8446 section 5.1) is what Node hands out at a time; more room would stay empty. */
const RECORD_BYTES = 16 * 1024

/** Opens channels over TLS to the bulk ports of peers. */
export class TlsCarrier {
  readonly #context: SecureContext
  /** All sockets are read into it: each piece is consumed before the next one comes, on whichever socket. */
  readonly #buffer = Buffer.allocUnsafeSlow(RECORD_BYTES)

  constructor(identity: TlsIdentity) {
    this.#context = createSecureContext(contextOptionsOf(identity))
  }

  /**
   * A channel to exactly this peer, once its listener has let us in. Throws `PeerClosedError`; the deadline is the
   * caller's, by its signal.
   */
  async open(peerId: string, address: BulkAddress, { signal }: AbortOptions): Promise<ByteChannel> {
    signal?.throwIfAborted()
    const dial: TlsDial = new TlsDial(connect(this.#optionsFor(address, (piece) => dial.receive(piece))), peerId)
    const onAbort = () => dial.fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const channel = await dial.channel
      if (signal?.aborted === true) channel.abort(new PeerClosedError('nobody waits for the channel'))
      signal?.throwIfAborted()
      return channel
    } catch (error) {
      if (signal?.aborted === true || error instanceof PeerClosedError) throw error
      throw new PeerClosedError('the bulk port could not be used', error)
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #optionsFor({ host, port }: BulkAddress, receive: (piece: Uint8Array) => void): ConnectionOptions {
    const callback = (bytes: number, buffer: Uint8Array): boolean => {
      receive(bytes === buffer.byteLength ? buffer : buffer.subarray(0, bytes))
      return true
    }
    // Options of Node's that its types know for TCP sockets only.
    const options: object = { onread: { buffer: this.#buffer, callback }, allowHalfOpen: true }
    return {
      ...PEER_OPTIONS,
      ...options,
      host,
      port,
      secureContext: this.#context,
      // The certificate names a PeerId and no host.
      checkServerIdentity: () => undefined,
    }
  }
}
