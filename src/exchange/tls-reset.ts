import type { TLSSocket } from 'node:tls'

/** The part of Node's TLS sockets that is leant on: the TCP handle under the TLS one. */
interface TcpHandle {
  close(callback?: () => void): void
  reset(callback?: () => void): unknown
}

/**
 * Destroys the socket with a TCP reset, which the other end can tell from an orderly end; `resetAndDestroy` refuses TLS
 * sockets. Where the handle is not as expected the other end sees the stream end, in the middle of a frame as a rule.
 */
export function resetSocket(socket: TLSSocket): void {
  const handle = (socket as { _handle?: { _parent?: Partial<TcpHandle> } | null })._handle?._parent
  if (typeof handle?.reset === 'function') handle.close = handle.reset
  socket.destroy()
}
