import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { ChunkCheck, type Payload } from './payload.ts'
import { LANES, type PullingEnd, type Transport } from './transport.ts'

/** Bytes of a request: the chunk's number. */
const REQUEST_BYTES = 4

/** The least that bytes can cost in Node.js: a connection for each lane, a number out, a chunk in `data` events back. */
export const rawTcpTransport: Transport = {
  async serve(payload) {
    const server = createServer({ noDelay: true }, (socket) => answer(socket, payload))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { address: String((server.address() as AddressInfo).port) }
  },

  async connect(address, payload) {
    const sockets = await Promise.all(Array.from({ length: LANES }, async () => await open(Number(address))))
    return new TcpPullingEnd(sockets, payload)
  },
}

class TcpPullingEnd implements PullingEnd {
  readonly #sockets: readonly Socket[]
  readonly #payload: Payload

  constructor(sockets: readonly Socket[], payload: Payload) {
    this.#sockets = sockets
    this.#payload = payload
  }

  async fetch(chunk: number, lane: number): Promise<void> {
    const socket = this.#sockets[lane]
    if (socket === undefined) throw new RangeError(`there is no lane ${lane}`)
    const check = new ChunkCheck(this.#payload, chunk)
    const done = Promise.withResolvers<void>()
    const onData = (piece: Buffer): void => {
      try {
        check.take(piece)
        if (check.missingBytes === 0) done.resolve()
      } catch (error) {
        done.reject(error)
      }
    }
    socket.on('data', onData)
    const request = Buffer.alloc(REQUEST_BYTES)
    request.writeUInt32BE(chunk)
    socket.write(request)
    await done.promise
    socket.off('data', onData)
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

function answer(socket: Socket, payload: Payload): void {
  // A request is sent in one piece and only after the last answer has come.
  socket.on('data', (request: Buffer) => socket.write(payload.bytesOf(request.readUInt32BE(0))))
}
