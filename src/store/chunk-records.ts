import { crc32 } from 'node:zlib'
import { type ChunkLayout, FINGERPRINT_BYTES } from '../chunking/index.ts'
import { type BlobRef, digestBytes, digestFromBytes, SHA256_BYTES } from '../core/index.ts'

/**
 * The `.chunks` file beside a blob's bytes: a header that says what blob it is, then one record a chunk. A record that is
 * torn, misplaced or was never written fails its checksum and counts as absent; so does one beyond the end of the file.
 */

const MAGIC = Buffer.from('SHOALBLB')

/** Bytes of the header: magic 8, version 2, layout kind 2, size 8, blob digest 32, layout fingerprint 8 (zeros for the grid), crc32 4. */
export const HEADER_BYTES = 64

/** Bytes of a record: digest 32, state 1, zeros 3, crc32 4. */
export const RECORD_BYTES = 40

const FORMAT_VERSION = 1
const FINGERPRINT_AT = 52
const HEADER_CRC_AT = HEADER_BYTES - 4
const STATE_AT = SHA256_BYTES
const RECORD_CRC_AT = RECORD_BYTES - 4

/** `own`: the bytes are in this blob's data file; `alias`: another blob, or another place in this one, holds them under the same digest. */
export type RecordState = 'own' | 'alias'

const STATE_NUMBERS: Record<RecordState, number> = { own: 1, alias: 2 }
const KIND_NUMBERS: Record<ChunkLayout['kind'], number> = { grid: 1, toc: 2 }

export interface ChunkRecord {
  readonly state: RecordState
  readonly digest: Uint8Array
}

/** A record that says the chunk is not held. */
export const ABSENT_RECORD: Uint8Array = new Uint8Array(RECORD_BYTES)

/** Where the record of `chunk` begins. */
export function recordOffset(chunk: number): number {
  return HEADER_BYTES + chunk * RECORD_BYTES
}

/** What blob a `.chunks` file is about, and how that was cut. */
export interface ChunksHeader {
  readonly ref: BlobRef
  readonly kind: ChunkLayout['kind']
  /** As the layout has it. */
  readonly fingerprint: string
}

export function encodeHeader(ref: BlobRef, { kind, fingerprint }: ChunkLayout): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header.writeUInt16BE(FORMAT_VERSION, 8)
  header.writeUInt16BE(KIND_NUMBERS[kind], 10)
  header.writeBigUInt64BE(BigInt(ref.sizeBytes), 12)
  header.set(digestBytes(ref.digest), 20)
  header.write(fingerprint, FINGERPRINT_AT, 'hex')
  header.writeUInt32BE(crc32(header.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT)
  return header
}

/** `undefined` when it is damaged, or of another version. */
export function decodeHeader(file: Uint8Array): ChunksHeader | undefined {
  const header = Buffer.from(file.buffer, file.byteOffset, Math.min(file.byteLength, HEADER_BYTES))
  if (header.byteLength < HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) return undefined
  if (header.readUInt32BE(HEADER_CRC_AT) !== crc32(header.subarray(0, HEADER_CRC_AT))) return undefined
  const kind = kindOf(header.readUInt16BE(10))
  if (header.readUInt16BE(8) !== FORMAT_VERSION || kind === undefined) return undefined
  const ref = {
    digest: digestFromBytes(header.subarray(20, FINGERPRINT_AT)),
    sizeBytes: Number(header.readBigUInt64BE(12)),
  }
  if (kind === 'grid') return { ref, kind, fingerprint: '' }
  return { ref, kind, fingerprint: header.toString('hex', FINGERPRINT_AT, FINGERPRINT_AT + FINGERPRINT_BYTES) }
}

export function encodeRecord(chunk: number, record: ChunkRecord): Uint8Array {
  const bytes = Buffer.alloc(RECORD_BYTES)
  bytes.set(record.digest)
  bytes[STATE_AT] = STATE_NUMBERS[record.state]
  bytes.writeUInt32BE(recordCrc(bytes, chunk), RECORD_CRC_AT)
  return bytes
}

/** The record of `chunk` in a whole `.chunks` file; its digest is a view. */
export function decodeRecord(file: Uint8Array, chunk: number): ChunkRecord | undefined {
  const start = recordOffset(chunk)
  if (start + RECORD_BYTES > file.byteLength) return undefined
  const bytes = Buffer.from(file.buffer, file.byteOffset + start, RECORD_BYTES)
  const state = stateOf(bytes[STATE_AT])
  if (state === undefined || bytes.readUInt32BE(RECORD_CRC_AT) !== recordCrc(bytes, chunk)) return undefined
  return { state, digest: bytes.subarray(0, SHA256_BYTES) }
}

function kindOf(number: number): ChunkLayout['kind'] | undefined {
  if (number === KIND_NUMBERS.grid) return 'grid'
  return number === KIND_NUMBERS.toc ? 'toc' : undefined
}

function stateOf(number: number | undefined): RecordState | undefined {
  if (number === STATE_NUMBERS.own) return 'own'
  return number === STATE_NUMBERS.alias ? 'alias' : undefined
}

/** Seeded with the chunk number, so that a record written to the wrong place does not count. */
function recordCrc(record: Uint8Array, chunk: number): number {
  return crc32(record.subarray(0, RECORD_CRC_AT), chunk)
}
