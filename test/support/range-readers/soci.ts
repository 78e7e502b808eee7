import assert from 'node:assert/strict'
import type { RangeLayer } from './lab.ts'
import { assertPart, Wire } from './wire.ts'

/** Its response header timeout; the client then backs off and asks again. */
const HEADER_DEADLINE_MS = 3_000

/** A span is about 4 MiB before compression; of bytes that do not compress, so much. */
const SPAN_BYTES = 4 * 1024 * 1024

/** A checkpoint may lie in the middle of a byte, which then belongs to both spans. */
const SHARED_BYTES = 1

/** The gzip header, before the first span. */
const FIRST_SPAN_AT = 10

/** Chunk size that the documentation of its parallel mode recommends for registries with a limit on requests. */
const PARALLEL_CHUNK_BYTES = 8 * 1024 * 1024

/** Downloads at once for one image, by default. */
const PARALLEL_DOWNLOADS = 3

/** The SOCI snapshotter: its registry stands in the path, since its mirrors take no other hint. */
export class SociReader implements Disposable {
  readonly #layer: RangeLayer
  readonly #wire: Wire
  readonly #target: string

  constructor(port: number, layer: RangeLayer) {
    this.#layer = layer
    this.#wire = new Wire(port)
    this.#target = `/v2/${layer.registry}/${layer.repository}/blobs/${layer.digest}`
  }

  /** Mounts: the probe of two bytes, answered within the deadline. Its status. */
  async probe(): Promise<number> {
    const answer = await this.#get('bytes=0-1', {})
    if (answer.status === 206) assertPart(this.#layer, answer, 0, 2)
    return answer.status
  }

  /** Reads spans on demand here and there, then all the others one after the other as its background fetcher does. */
  async readSpans(): Promise<void> {
    const spans = this.#spans()
    const last = spans.length - 1
    const onDemand = [last, 0, Math.floor(last / 2)]
    for (const index of [...onDemand, ...spans.keys().filter((span) => !onDemand.includes(span))]) {
      const [start, end] = spans[index] ?? [0, 0]
      const answer = await this.#get(`bytes=${start}-${end - 1}`, { 'Accept-Encoding': 'identity' })
      assertPart(this.#layer, answer, start, end)
    }
  }

  /** Pulls the layer in its parallel mode: the probe must accept ranges, then bounded chunks, some at once. */
  async pullInParallel(): Promise<void> {
    assert.equal(await this.probe(), 206)
    const starts = Array.from(
      { length: Math.ceil(this.#layer.bytes.byteLength / PARALLEL_CHUNK_BYTES) },
      (_, index) => index * PARALLEL_CHUNK_BYTES,
    ).values()
    const download = async (): Promise<void> => {
      for (const start of starts) {
        const end = Math.min(start + PARALLEL_CHUNK_BYTES, this.#layer.bytes.byteLength)
        assertPart(this.#layer, await this.#get(`bytes=${start}-${end - 1}`, {}), start, end)
      }
    }
    await Promise.all(Array.from({ length: PARALLEL_DOWNLOADS }, download))
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]()
  }

  async #get(range: string, headers: Readonly<Record<string, string>>) {
    return await this.#wire.send({
      target: this.#target,
      headers: { 'User-Agent': 'soci-snapshotter/v0.11.1', ...headers, Range: range },
      headerDeadlineMs: HEADER_DEADLINE_MS,
    })
  }

  #spans(): [number, number][] {
    const sizeBytes = this.#layer.bytes.byteLength
    const spans: [number, number][] = []
    for (let start = FIRST_SPAN_AT; start < sizeBytes; start += SPAN_BYTES)
      spans.push([start, Math.min(sizeBytes, start + SPAN_BYTES + SHARED_BYTES)])
    return spans
  }
}
