import assert from 'node:assert/strict'
import { parseMultipart } from '../multipart-parser.ts'
import { type RangeLayer, sha256Of } from './lab.ts'
import { assertPart, assertPartHeaders, Wire, type WireAnswer } from './wire.ts'

/** The most ranges that containers/storage puts into one request. */
export const MAX_PARTS = 1024

/** Ranges with no more than this between them are asked for as one. */
const MERGED_GAP_BYTES = 1024

/** containers/storage pulling a zstd:chunked layer: the ranges that it lacks, in one request. */
export class PodmanChunkedReader implements Disposable {
  readonly #layer: RangeLayer
  readonly #wire: Wire

  constructor(port: number, layer: RangeLayer) {
    this.#layer = layer
    this.#wire = new Wire(port)
  }

  /** Reads the table of contents at the end, a single range and so a plain part. */
  async readTableOfContents(): Promise<void> {
    const { byteLength } = this.#layer.bytes
    const start = byteLength - 64 * 1024
    assertPart(this.#layer, await this.get(`bytes=${start}-${byteLength - 1}`), start, byteLength)
  }

  /** Reads `count` ranges over the whole layer in one request; the last one has no end. Expects each as a part, in order. */
  async readMissing(count: number, partBytes: number): Promise<void> {
    const { bytes } = this.#layer
    const stepBytes = Math.floor(bytes.byteLength / count)
    assert.ok(stepBytes - partBytes > MERGED_GAP_BYTES, 'ranges this near would be merged')
    const starts = Array.from({ length: count }, (_, index) => index * stepBytes)
    const spelled = starts.map((start, i) => (i === count - 1 ? `${start}-` : `${start}-${start + partBytes - 1}`))
    const { status, headers, body } = await this.get(`bytes=${spelled.join(',')}`)
    assert.equal(status, 206)
    assertPartHeaders(headers)
    assert.equal(headers['content-length'], String(body.byteLength))
    const parts = parseMultipart(headers['content-type'] ?? '', body)
    assert.equal(parts.length, count)
    for (const [index, part] of parts.entries()) {
      const start = starts[index] ?? 0
      const end = index === count - 1 ? bytes.byteLength : start + partBytes
      assert.deepEqual([part.start, part.end, part.sizeBytes], [start, end, bytes.byteLength])
      assert.equal(part.type, 'application/octet-stream')
      assert.equal(sha256Of(part.bytes), sha256Of(bytes.subarray(start, end)))
    }
  }

  async get(range: string): Promise<WireAnswer> {
    const { registry, repository, digest } = this.#layer
    return await this.#wire.send({
      target: `/v2/${registry.replace(':', '_')}/${repository}/blobs/${digest}`,
      headers: {
        'User-Agent': 'containers/5.34.0 (github.com/containers/image)',
        'Docker-Distribution-Api-Version': 'registry/2.0',
        'Accept-Encoding': 'gzip',
        Range: range,
      },
    })
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]()
  }
}
