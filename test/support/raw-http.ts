import { connect, type Socket } from 'node:net'

/** What a client saw of one connection, to the byte. */
export interface RawExchange {
  readonly status: number
  readonly head: string
  readonly body: Buffer
  /** How the server ended the connection: a FIN, or an error such as ECONNRESET. */
  readonly ending: string
}

/** Sends `text` on a connection of its own and reads until the server closes it; asks for that where `text` does not. */
export async function rawExchange(port: number, text: string): Promise<RawExchange> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  return await readToEnd(socket)
}

/** A request as text, with `Connection: close`. */
export function requestText(line: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ Host: 'mirror', Connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** Reads a connection to its end. */
export async function readToEnd(socket: Socket): Promise<RawExchange> {
  const chunks: Buffer[] = []
  const ending = await new Promise<string>((resolve) => {
    socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
    socket.once('end', () => resolve('FIN'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('close'))
  })
  socket.destroy()
  const all = Buffer.concat(chunks)
  const split = all.indexOf('\r\n\r\n')
  const head = all.subarray(0, split === -1 ? all.length : split).toString('latin1')
  return {
    status: Number(head.slice(9, 12)),
    head,
    body: split === -1 ? Buffer.alloc(0) : all.subarray(split + 4),
    ending,
  }
}
