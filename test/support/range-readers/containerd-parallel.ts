import assert from 'node:assert/strict'
import type { RangeLayer } from './lab.ts'
import { assertPart, Wire, type WireAnswer } from './wire.ts'

/** `concurrent_layer_fetch_buffer`, the value that its measurements were made with for small layers. */
export const FETCH_CHUNK_BYTES = 8 * 1024 * 1024

/** `max_concurrent_downloads`, by default. */
const PARALLELISM = 3

/** containerd 2.1 and later: open ranges, of each of which it reads one chunk and then closes the connection. */
export class ContainerdParallelReader implements Disposable {
  readonly #layer: RangeLayer
  readonly #wire: Wire

  constructor(port: number, layer: RangeLayer) {
    this.#layer = layer
    // It closes in the middle of each body, so there is nothing to keep.
    this.#wire = new Wire(port, false)
  }

  /** Fetches the layer: the first chunk from `bytes=0-`, the others while that is read. */
  async fetch(): Promise<void> {
    const count = Math.ceil(this.#layer.bytes.byteLength / FETCH_CHUNK_BYTES)
    const chunks = Array.from({ length: count }, (_, index) => index).values()
    const worker = async (): Promise<void> => {
      for (const chunk of chunks) await this.fetchChunk(chunk)
    }
    await Promise.all(Array.from({ length: PARALLELISM }, worker))
  }

  /** Reads one chunk of the open range that begins with it, and leaves. */
  async fetchChunk(chunk: number): Promise<void> {
    const start = chunk * FETCH_CHUNK_BYTES
    const { byteLength } = this.#layer.bytes
    const takeBytes = Math.min(FETCH_CHUNK_BYTES, byteLength - start)
    const answer = await this.#get(start, takeBytes)
    // A 200 would be written at the offset of the chunk.
    assertPart(this.#layer, answer, start, byteLength, takeBytes)
    assert.equal(answer.headers['docker-content-digest'], this.#layer.digest)
  }

  /** Status for the open range that begins with `chunk`. */
  async statusOf(chunk: number): Promise<number> {
    return (await this.#get(chunk * FETCH_CHUNK_BYTES, 1)).status
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]()
  }

  async #get(start: number, takeBytes: number): Promise<WireAnswer> {
    const { registry, repository, digest } = this.#layer
    return await this.#wire.send({
      target: `/v2/${repository}/blobs/${digest}?ns=${encodeURIComponent(registry)}`,
      headers: {
        'User-Agent': 'containerd/v2.1.4',
        Accept: 'application/vnd.oci.image.layer.v1.tar+gzip, */*',
        'Accept-Encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5',
        Range: `bytes=${start}-`,
      },
      takeBytes,
    })
  }
}
