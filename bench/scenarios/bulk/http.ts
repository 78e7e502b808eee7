import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { ChunkCheck, type Payload } from './payload.ts'
import { LANES, type PullingEnd, type Transport } from './transport.ts'

/** Plain HTTP/1.1 as Node.js programs speak it: `node:http` serves, undici asks, a body for each chunk on kept connections. */
export const httpTransport: Transport = {
  async serve(payload) {
    const server = createServer((request, response) => {
      const bytes = payload.bytesOf(Number(request.url?.slice(1)))
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.byteLength })
      response.end(bytes)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  },

  async connect(address, payload) {
    return new HttpPullingEnd(new Pool(address, { connections: LANES }), payload)
  },
}

class HttpPullingEnd implements PullingEnd {
  readonly #pool: Pool
  readonly #payload: Payload

  constructor(pool: Pool, payload: Payload) {
    this.#pool = pool
    this.#payload = payload
  }

  async fetch(chunk: number): Promise<void> {
    const check = new ChunkCheck(this.#payload, chunk)
    const { body } = await this.#pool.request({ method: 'GET', path: `/${chunk}` })
    body.on('data', (piece: Buffer) => check.take(piece))
    await once(body, 'end')
    check.finish()
  }
}
