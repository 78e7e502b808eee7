import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { peerIdOfCertificate, type TlsIdentity } from '../p2p/index.ts'
import type { ByteChannel } from './carrier.ts'
import { TlsChannel } from './tls-channel.ts'
import { HandshakeBounds } from './tls-handshake-bounds.ts'
import { ADMITTED, ALPN_PROTOCOL, contextOptionsOf, KEEP_ALIVE_MS, PEER_OPTIONS } from './tls-options.ts'
import { resetSocket } from './tls-reset.ts'

/** Why a socket was not let in: a handshake that failed, a certificate that proves nothing, a peer we are not connected to, or no place. */
export type TlsRefusal = 'handshake' | 'certificate' | 'stranger' | 'full'

export interface TlsListenerInit {
  readonly identity: TlsIdentity
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly maxHandshakes: number
  readonly maxHandshakesPerHost: number
  readonly handshakeTimeoutMs: number
  /** Whether a peer with this PeerId may have a channel now. */
  readonly admits: (peerId: string) => boolean
  /** Takes the channel of an admitted peer. */
  readonly onChannel: (channel: ByteChannel) => void
  readonly onRefused: (why: TlsRefusal) => void
}

/** Connections the system keeps until we get to them: as many as a whole cluster's lanes that open in one instant. */
const BACKLOG = 1024

/**
 * Accepts channels over TLS from peers whose certificate is their libp2p identity and who are admitted there. Nobody else
 * has a byte read but by the handshake, and of those there are few at a time.
 */
export class TlsListener {
  readonly #init: TlsListenerInit
  readonly #tls: TlsServer
  readonly #tcp: Server
  readonly #bounds: HandshakeBounds
  readonly #sockets = new Set<Socket>()
  /** What gives back the place of each handshake under way, by the far end of its socket. */
  readonly #places = new Map<string, () => void>()

  constructor(init: TlsListenerInit) {
    this.#init = init
    this.#bounds = new HandshakeBounds(init.maxHandshakes, init.maxHandshakesPerHost)
    const context = contextOptionsOf(init.identity)
    this.#tls = createTlsServer({ ...PEER_OPTIONS, ...context, handshakeTimeout: init.handshakeTimeoutMs })
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket))
    this.#tls.on('tlsClientError', (_error, socket) => this.#refuse(socket, 'handshake'))
    const options = { noDelay: true, allowHalfOpen: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
    this.#tcp = createServer(options, (socket) => this.#onConnection(socket))
    // A socket that could not be accepted, for want of file descriptors say, is its peer's loss; `start` hears of its own.
    this.#tcp.on('error', () => init.onRefused('full'))
  }

  /** Opens the socket and returns its port. Throws what `node:net` throws. */
  async start(): Promise<number> {
    const { host, port } = this.#init
    this.#tcp.listen({ host, port, backlog: BACKLOG })
    await once(this.#tcp, 'listening')
    return (this.#tcp.address() as AddressInfo).port
  }

  /** Takes no more sockets and destroys those there are. */
  async stop(): Promise<void> {
    if (!this.#tcp.listening) return
    const closed = once(this.#tcp, 'close')
    this.#tcp.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** connected -> handshake */
  #onConnection(socket: Socket): void {
    const leave = this.#bounds.enter(socket.remoteAddress ?? '')
    if (leave === undefined) {
      this.#init.onRefused('full')
      socket.resetAndDestroy()
      return
    }
    const far = farEndOf(socket)
    this.#places.set(far, leave)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#leave(far)
    })
    this.#tls.emit('connection', socket)
  }

  /** handshake -> admitted, or refused */
  #onSecure(socket: TLSSocket): void {
    this.#leave(farEndOf(socket))
    if (socket.alpnProtocol !== ALPN_PROTOCOL) return this.#refuse(socket, 'handshake')
    const peerId = peerIdOfCertificate(socket.getPeerX509Certificate())
    if (peerId === undefined) return this.#refuse(socket, 'certificate')
    if (!this.#init.admits(peerId)) return this.#refuse(socket, 'stranger')
    socket.pause()
    const channel = new TlsChannel(socket, peerId)
    socket.on('data', (piece: Buffer) => channel.deliver(piece))
    channel.write(Uint8Array.of(ADMITTED))
    this.#init.onChannel(channel)
  }

  #refuse(socket: TLSSocket, why: TlsRefusal): void {
    this.#init.onRefused(why)
    socket.on('error', () => undefined)
    resetSocket(socket)
  }

  #leave(far: string): void {
    this.#places.get(far)?.()
    this.#places.delete(far)
  }
}

function farEndOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}
