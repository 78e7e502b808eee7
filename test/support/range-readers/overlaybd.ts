import type { RangeLayer } from './lab.ts'
import { assertPart, Wire, type WireAnswer } from './wire.ts'

/** What its cache refills at a time, and what its background download asks for. */
const BLOCK_BYTES = 256 * 1024

/** Blocks prefetched at once. */
const PREFETCH_BLOCKS = 16

/** overlaybd with `p2pConfig`: the whole URL of the blob stands in the path, ranges are bounded. */
export class OverlaybdReader implements Disposable {
  readonly #layer: RangeLayer
  readonly #wire: Wire
  readonly #target: string

  /** `prefix`: as overlaybd is told, or as peerd is asked. */
  constructor(port: number, layer: RangeLayer, prefix: 'dadip2p' | 'blobs' = 'dadip2p') {
    this.#layer = layer
    this.#wire = new Wire(port)
    this.#target = `/${prefix}/http://${layer.registry}/v2/${layer.repository}/blobs/${layer.digest}`
  }

  /** Reads the superblock at the end and the beginning, then blocks here and there, as a block device is mounted and used. */
  async readAtRandom(blocks: readonly number[]): Promise<void> {
    const { byteLength } = this.#layer.bytes
    await this.#readBlock(Math.floor((byteLength - 1) / BLOCK_BYTES))
    for (const block of [0, ...blocks]) await this.#readBlock(block)
  }

  /** Reads every block in order, some at once. */
  async download(): Promise<void> {
    const blocks = Array.from({ length: Math.ceil(this.#layer.bytes.byteLength / BLOCK_BYTES) }, (_, i) => i).values()
    const worker = async (): Promise<void> => {
      for (const block of blocks) await this.#readBlock(block)
    }
    await Promise.all(Array.from({ length: PREFETCH_BLOCKS }, worker))
  }

  /** Status of a block that need not be served. */
  async statusOf(block: number): Promise<number> {
    return (await this.#send(...this.#rangeOf(block))).status
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]()
  }

  async #readBlock(block: number): Promise<void> {
    const [start, end] = this.#rangeOf(block)
    assertPart(this.#layer, await this.#send(start, end), start, end)
  }

  #rangeOf(block: number): [number, number] {
    return [block * BLOCK_BYTES, Math.min((block + 1) * BLOCK_BYTES, this.#layer.bytes.byteLength)]
  }

  async #send(start: number, end: number): Promise<WireAnswer> {
    const headers = { 'User-Agent': 'overlaybd/1.0.15', Range: `bytes=${start}-${end - 1}` }
    return await this.#wire.send({ target: this.#target, headers })
  }
}
