import assert from 'node:assert/strict'
import type { RangeLayer } from './lab.ts'
import { assertPart, Wire, type WireAnswer } from './wire.ts'

/** Of a connection and of an answer alike. */
const TIMEOUT_MS = 5_000

/** Size of a chunk, of a merged prefetch and of an amplified read. */
const RANGE_BYTES = 1024 * 1024

const PREFETCH_THREADS = 8

/** nydusd: nothing but scheme and host of a mirror reach it, and it leaves its user agent out. */
export class NydusReader implements Disposable {
  readonly #layer: RangeLayer
  readonly #wire: Wire
  readonly #target: string

  /** `form` proxy: absolute URLs of the registry, sent to a port that serves them all. */
  constructor(port: number, layer: RangeLayer, form: 'mirror' | 'proxy') {
    this.#layer = layer
    this.#wire = new Wire(port)
    const path = `/v2/${layer.repository}/blobs/${layer.digest}`
    this.#target = form === 'mirror' ? path : `http://${layer.registry}${path}`
  }

  /** Asks for the size, as it does before anything else. Its status. */
  async head(): Promise<number> {
    const { status, headers } = await this.#send('HEAD')
    if (status === 200) assert.equal(headers['content-length'], String(this.#layer.bytes.byteLength))
    return status
  }

  /** Prefetches [start, end) in ranges of a MiB, as many at once as it has threads. */
  async prefetch(start = 0, end = this.#layer.bytes.byteLength): Promise<void> {
    const starts = Array.from({ length: Math.ceil((end - start) / RANGE_BYTES) }, (_, i) => start + i * RANGE_BYTES)
    const pending = starts.values()
    const thread = async (): Promise<void> => {
      for (const at of pending) await this.readRange(at, Math.min(at + RANGE_BYTES, end))
    }
    await Promise.all(Array.from({ length: PREFETCH_THREADS }, thread))
  }

  /** Reads on from `start` to the end in one answer. */
  async stream(start: number): Promise<void> {
    const { byteLength } = this.#layer.bytes
    assertPart(this.#layer, await this.#send('GET', `bytes=${start}-`), start, byteLength)
  }

  async readRange(start: number, end: number): Promise<void> {
    assertPart(this.#layer, await this.#send('GET', `bytes=${start}-${end - 1}`), start, end)
  }

  /** Status of a range that need not be served. */
  async statusOf(start: number, end: number): Promise<number> {
    return (await this.#send('GET', `bytes=${start}-${end - 1}`)).status
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]()
  }

  async #send(method: 'GET' | 'HEAD', range?: string): Promise<WireAnswer> {
    const headers = { Host: this.#layer.registry, Accept: '*/*', ...(range === undefined ? {} : { Range: range }) }
    return await this.#wire.send({ method, target: this.#target, headers, headerDeadlineMs: TIMEOUT_MS })
  }
}
