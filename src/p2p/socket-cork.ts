import { Socket } from 'node:net'
import type { MessageStream } from '@libp2p/interface'

/** The part of @libp2p/tcp's connection that is leant on: its socket and its one way to write to it. */
interface SocketConnection {
  readonly socket: Socket
  sendData(data: unknown): unknown
}

const corked = new WeakSet<Socket>()

/**
 * Collects what is written in one tick into one writev: a Noise frame is length, header, text and tag, four writes
 * and, without Nagle, as many small packets. Saves a third of the sender's system time. Leaves other transports alone.
 */
export function corkPerTick(connection: MessageStream): void {
  if (!hasSocket(connection) || corked.has(connection.socket)) return
  const { socket } = connection
  corked.add(socket)
  const sendData = connection.sendData.bind(connection)
  let isCorked = false
  connection.sendData = (data) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      process.nextTick(() => {
        isCorked = false
        socket.uncork()
      })
    }
    return sendData(data)
  }
}

function hasSocket(connection: object): connection is SocketConnection {
  const candidate = connection as Partial<SocketConnection>
  return candidate.socket instanceof Socket && typeof candidate.sendData === 'function'
}
