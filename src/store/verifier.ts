import { digestHex } from '../core/index.ts'
import { writeAtomic } from './atomic-file.ts'
import type { BlobState, ChunkPlace } from './blob-state.ts'
import type { ChunkDropper } from './chunk-dropper.ts'
import { ChunkNotHeldError } from './errors.ts'
import type { FileSystem } from './file-system.ts'
import type { HashSegment } from './hash-segments.ts'
import type { Hasher } from './hasher.ts'

export interface VerifierComponents {
  readonly hasher: Hasher
  readonly dropper: ChunkDropper
  readonly files: FileSystem
}

/** Holds what is on disk against the digests it is filed under. */
export class Verifier {
  readonly #components: VerifierComponents

  constructor(components: VerifierComponents) {
    this.#components = components
  }

  /** Checks whatever of this blob was not checked since an unclean stop, also where it takes chunks from others, and drops what does not match. */
  async checkSuspects(blob: BlobState): Promise<void> {
    await this.check([...suspectPlaces(blob)])
  }

  /** Checks these chunks, each in its own file, and drops what does not match. Throws a StoreFailedError when they cannot be checked now. */
  async check(places: readonly ChunkPlace[]): Promise<void> {
    if (places.length === 0) return
    for (const { blob } of places) blob.borrowers++
    try {
      const digests = await this.#components.hasher.hash('each', places.map(segmentOf))
      for (const [index, place] of places.entries()) await this.#judge(place, digests[index])
    } finally {
      for (const { blob } of places) blob.borrowers--
    }
  }

  /** Whether the bytes, all of which are held, have the blob's sha256. Unreadable ones are dropped, and the answer is `unreadable`. */
  async checkWhole(blob: BlobState): Promise<'matches' | 'differs' | 'unreadable'> {
    const [digest] = await this.#components.hasher.hash('whole', wholeSegments(blob))
    if (digest === digestHex(blob.ref.digest)) return 'matches'
    if (digest !== undefined) return 'differs'
    await this.check(allPlaces(blob))
    return 'unreadable'
  }

  /** `all held -> complete` on disk: bytes, then records, then the marker, each synced before the next. */
  async seal(blob: BlobState): Promise<void> {
    const holders = new Set([blob, ...[...blob.holders.values()].map((place) => place.blob)])
    for (const holder of holders) {
      await holder.files.use(async (open) => {
        await open.data.sync()
        await open.chunks.sync()
      })
      await this.#components.files.syncDirectory(holder.paths.directory)
    }
    const marker = Buffer.from(`${blob.ref.digest} ${blob.ref.sizeBytes}\n`)
    await writeAtomic(this.#components.files, blob.paths.done, marker, { isDurable: true })
  }

  async #judge(place: ChunkPlace, hex: string | undefined): Promise<void> {
    const { blob, chunk } = place
    if (!blob.hasOwn(chunk) || blob.isLeaving) return
    if (hex !== undefined && hex === blob.digestAt(chunk)?.toString('hex')) blob.suspects.delete(chunk)
    else await this.#components.dropper.drop(place)
  }
}

function* suspectPlaces(blob: BlobState): Generator<ChunkPlace> {
  for (const chunk of blob.suspects) yield { blob, chunk }
  for (const holder of blob.holders.values()) {
    if (holder.blob !== blob && holder.blob.suspects.has(holder.chunk)) yield holder
  }
}

function allPlaces(blob: BlobState): ChunkPlace[] {
  return [...Array(blob.layout.chunkCount).keys()].map((chunk) => placeOrThrow(blob, chunk))
}

/** The blob in order, neighbours in one file joined. */
function wholeSegments(blob: BlobState): HashSegment[] {
  const segments: HashSegment[] = []
  for (const next of allPlaces(blob).map(segmentOf)) {
    const last = segments.at(-1)
    if (last !== undefined && last.path === next.path && last.position + last.lengthBytes === next.position) {
      segments[segments.length - 1] = { ...last, lengthBytes: last.lengthBytes + next.lengthBytes }
    } else {
      segments.push(next)
    }
  }
  return segments
}

function placeOrThrow(blob: BlobState, chunk: number): ChunkPlace {
  const place = blob.placeOf(chunk)
  if (place === undefined) throw new ChunkNotHeldError(chunk)
  return place
}

function segmentOf({ blob, chunk }: ChunkPlace): HashSegment {
  return { path: blob.paths.data, position: blob.layout.offsetOf(chunk), lengthBytes: blob.layout.lengthOf(chunk) }
}
