import type { AbortOptions } from '../core/index.ts'
import { type Lease, unpooled } from '../util/index.ts'
import type { ByteRange } from './byte-ranges.ts'
import { BodyLengthError } from './errors.ts'
import type { MultipartPlan } from './multipart.ts'
import type { BlobDemand, BlobHandle } from './ports.ts'

/** Parts of a multipart body asked for ahead of the one being written: hides the way to a peer, bounds memory to as many chunks. */
const PARTS_AHEAD = 4

/** One range of a blob, exactly its bytes or an error. */
export function rangeBody(
  handle: BlobHandle,
  range: ByteRange,
  demand: BlobDemand,
  options: AbortOptions,
): AsyncIterator<Lease, void> {
  return exactly(handle.lend(range, demand, options), range.end - range.start)
}

async function* exactly(chunks: AsyncIterable<Lease>, lengthBytes: number): AsyncGenerator<Lease, void> {
  let seenBytes = 0
  for await (const chunk of chunks) {
    const { byteLength } = chunk.bytes
    seenBytes += byteLength
    if (seenBytes > lengthBytes) break
    if (byteLength > 0) yield chunk
    if (seenBytes === lengthBytes) return
  }
  throw new BodyLengthError(lengthBytes, seenBytes)
}

/** The parts of a multipart body in order. A part's head is not given before the first bytes of its range are at hand. */
export async function* multipartBody(
  handle: BlobHandle,
  plan: MultipartPlan,
  options: AbortOptions,
): AsyncGenerator<Lease, void> {
  const started: PartReader[] = []
  let nextPart = 0
  const startMore = (): void => {
    while (started.length < PARTS_AHEAD) {
      const part = plan.parts[nextPart++]
      if (part === undefined) return
      started.push(new PartReader(rangeBody(handle, part.range, 'range', options), part.head))
    }
  }
  try {
    for (startMore(); started.length > 0; startMore()) {
      yield* (started[0] as PartReader).bytes()
      started.shift()
    }
    yield unpooled(plan.tail)
  } finally {
    await Promise.allSettled(started.map((part) => part.stop()))
  }
}

/** One part, its first bytes asked for at once. */
class PartReader {
  readonly #head: Uint8Array
  readonly #chunks: AsyncIterator<Lease, void>
  readonly #first: Promise<IteratorResult<Lease, void>>

  constructor(chunks: AsyncIterator<Lease, void>, head: Uint8Array) {
    this.#head = head
    this.#chunks = chunks
    this.#first = chunks.next()
    // Seen when its turn comes; a part before it may fail first.
    this.#first.catch(() => {})
  }

  async *bytes(): AsyncGenerator<Lease, void> {
    const head = this.#head
    let next = await this.#first
    yield unpooled(head)
    for (; next.done !== true; next = await this.#chunks.next()) yield next.value
  }

  async stop(): Promise<void> {
    await this.#chunks.return?.()
  }
}
