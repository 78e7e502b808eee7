import type { Socket } from 'node:net'
import type { Clock } from '../core/index.ts'
import { ociError } from '../oci/index.ts'

export interface ConnectionKeeperInit {
  /** How long a client may take to close its side after our FIN. */
  readonly lingerMs: number
  /** How long a client may take to read what was written before our FIN. */
  readonly flushMs: number
}

/** First byte of a TLS record that carries a handshake. */
const TLS_HANDSHAKE = 0x16

/**
 * Ends connections without losing what is under way on them. Closing a socket that has unread bytes sends a RST, which throws
 * away what the client has not read yet and makes containerd fail the pull; a FIN lets it read on and resume.
 */
export class ConnectionKeeper {
  readonly #init: ConnectionKeeperInit
  readonly #clock: Clock
  readonly #closing = new WeakSet<Socket>()
  readonly #answeringBySocket = new WeakMap<Socket, number>()

  constructor(init: ConnectionKeeperInit, components: { readonly clock: Clock }) {
    this.#init = init
    this.#clock = components.clock
  }

  /** Whether the connection is on its way out; requests that still come in on it are not answered. */
  isClosing(socket: Socket): boolean {
    return this.#closing.has(socket)
  }

  /** An answer is being given on `socket` until the function returned is called. */
  answering(socket: Socket): () => void {
    this.#answeringBySocket.set(socket, (this.#answeringBySocket.get(socket) ?? 0) + 1)
    return () => {
      this.#answeringBySocket.set(socket, (this.#answeringBySocket.get(socket) ?? 1) - 1)
    }
  }

  /** Sends what is written and a FIN; what still comes in is read and dropped until the client closes too. */
  finish(socket: Socket, lastBytes = ''): void {
    if (this.#closing.has(socket) || socket.destroyed) return
    this.#closing.add(socket)
    const destroy = (): void => void socket.destroy()
    let timer = this.#clock.after(this.#init.flushMs, destroy)
    // `finish`: all bytes and the FIN are with the kernel. Until then the client may be slowly reading good bytes.
    socket.once('finish', () => {
      timer.clear()
      timer = this.#clock.after(this.#init.lingerMs, destroy)
    })
    socket.once('close', () => timer.clear())
    socket.end(lastBytes)
  }

  /** What the HTTP parser could not make a request of. */
  onClientError(error: Error & { code?: string; rawPacket?: Buffer }, socket: Socket): void {
    if (this.#closing.has(socket)) return
    if (!socket.writable || error.rawPacket?.[0] === TLS_HANDSHAKE) {
      // Tools that try https first go on with http as soon as this side hangs up.
      socket.destroy()
      return
    }
    // Words of ours in the middle of a body would be taken for bytes of the blob. And a 408 to a connection that came with no
    // request in time would be read as an answer to the next one.
    const isAnswering = (this.#answeringBySocket.get(socket) ?? 0) > 0
    if (isAnswering || error.code === 'ERR_HTTP_REQUEST_TIMEOUT') this.finish(socket)
    else this.finish(socket, refusal(error.code))
  }
}

function refusal(code: string | undefined): string {
  const isTooLarge = code === 'HPE_HEADER_OVERFLOW'
  const status = isTooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const body = JSON.stringify(
    ociError('UNSUPPORTED', isTooLarge ? 'the request headers are too large' : 'not an HTTP request'),
  )
  return [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
