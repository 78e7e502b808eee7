import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { systemCode } from './errors.ts'

/** A stretch of a file. */
export interface HashSegment {
  readonly path: string
  readonly position: number
  readonly lengthBytes: number
}

/** `whole` hashes the segments as one text, `each` every segment by itself. */
export interface HashJob {
  readonly mode: 'whole' | 'each'
  readonly segments: readonly HashSegment[]
  /** Shared; stops the job between two reads once its first element is not 0. */
  readonly cancelled: Int32Array
}

/** Hex digests; `undefined` where the bytes could not be read in full. One for `whole`, one for each segment for `each`. */
export type HashResult = readonly (string | undefined)[]

/** Bytes read at a time: larger is not faster on a warm page cache. */
const READ_BYTES = 1024 * 1024

let reusedBuffer: Buffer | undefined

/** Does the job on the calling thread, reading into one buffer that is kept. Throws when a file cannot be opened for want of descriptors and the like. */
export function hashSegments(job: HashJob): HashResult {
  const open = new OpenFile()
  try {
    return job.mode === 'whole'
      ? [hashAs(open, job, job.segments)]
      : job.segments.map((one) => hashAs(open, job, [one]))
  } finally {
    open.close()
  }
}

function hashAs(open: OpenFile, job: HashJob, segments: readonly HashSegment[]): string | undefined {
  reusedBuffer ??= Buffer.allocUnsafeSlow(READ_BYTES)
  const hash = createHash('sha256')
  for (const segment of segments) {
    for (let done = 0; done < segment.lengthBytes; ) {
      if (Atomics.load(job.cancelled, 0) !== 0) return undefined
      const target = reusedBuffer.subarray(0, Math.min(READ_BYTES, segment.lengthBytes - done))
      const bytesRead = open.read(segment.path, target, segment.position + done)
      if (bytesRead === 0) return undefined
      hash.update(target.subarray(0, bytesRead))
      done += bytesRead
    }
  }
  return hash.digest('hex')
}

/** The file read last, kept open since most neighbours are in the same one. */
class OpenFile {
  #path = ''
  #descriptor: number | undefined

  /** Bytes read; 0 at the end of the file, when it is gone, or when the disk cannot read it. */
  read(path: string, target: Uint8Array, position: number): number {
    try {
      if (this.#path !== path) this.#reopen(path)
      return this.#descriptor === undefined ? 0 : readSync(this.#descriptor, target, 0, target.byteLength, position)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'ENOENT' || code === 'EIO') return 0
      throw error
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#path = ''
  }

  #reopen(path: string): void {
    this.close()
    this.#descriptor = openSync(path, 'r')
    this.#path = path
  }
}
