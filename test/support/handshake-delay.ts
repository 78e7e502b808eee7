import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * Stands in front of a port at another address: takes sockets at once and passes them on after a time, so that whatever
 * is said first takes that long. Without a time it never does, as a filter does.
 */
export class HandshakeDelay implements AsyncDisposable {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  /** Sockets accepted so far. */
  acceptedCount = 0

  private constructor(target: { host: string; port: number }, delayMs: number | undefined) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.acceptedCount += 1
      this.#own(socket)
      if (delayMs === undefined) socket.resume()
      else setTimeout(() => this.#join(socket, target), delayMs)
    })
  }

  /** Listens at `host`, at the port of the target. */
  static async start(
    host: string,
    target: { host: string; port: number },
    delayMs: number | undefined,
  ): Promise<HandshakeDelay> {
    const delay = new HandshakeDelay(target, delayMs)
    delay.#server.listen(target.port, host)
    await once(delay.#server, 'listening')
    return delay
  }

  /** Sockets of ours that are open. */
  get openCount(): number {
    return this.#sockets.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('end', () => socket.end())
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #join(socket: Socket, target: { host: string; port: number }): void {
    if (socket.destroyed) return
    const other = connect({ ...target, allowHalfOpen: true })
    this.#own(other)
    socket.pipe(other).pipe(socket)
    socket.once('close', () => other.destroy())
    other.once('close', () => socket.destroy())
  }
}
