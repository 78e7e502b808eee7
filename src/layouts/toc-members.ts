import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { digestOf } from '../core/index.ts'
import { TocError } from './errors.ts'
import { MAX_RAW_TOC_BYTES, MAX_TOC_BYTES, MAX_TOC_ENTRIES } from './toc-limits.ts'

/** A table of contents as it is in a layer, and what it has to be. */
export interface TocSection {
  readonly format: 'estargz' | 'zstd-chunked'
  /** What the manifest says of it: for eStargz of the JSON, for zstd:chunked of the compressed bytes. */
  readonly digest: string
  readonly bytes: Uint8Array
  /** Where it begins in the layer; all content is before. */
  readonly offset: number
}

/** The compressed members that a table of contents names, as `cutAlongToc` takes them. */
export interface FoundMembers {
  readonly offsets: Float64Array
  readonly marks: Uint32Array
}

/** A tar header, and the name that the table of contents has in eStargz. */
const TAR_BLOCK_BYTES = 512
const ESTARGZ_TOC_NAME = 'stargz.index.json'

/** For a member whose digest is not named: no chunk ends after it. */
const NO_MARK = 0xffff_ffff

const DIGEST = /^sha256:([0-9a-f]{8})/

/**
 * Checks a table of contents against what the manifest says of it, and reads where the members begin. Throws a TocError
 * when it is another one, too large, or makes no sense. Takes up to some 100 ms a megabyte: long ones are not for the main
 * thread.
 */
export function membersOf(section: TocSection, maxRawBytes = MAX_RAW_TOC_BYTES): FoundMembers {
  if (section.bytes.byteLength > MAX_TOC_BYTES)
    throw new TocError(`table of contents of ${section.bytes.byteLength} bytes`)
  return collect(entriesOf(rawToc(section, maxRawBytes)), section.offset)
}

function rawToc({ format, digest, bytes }: TocSection, maxRawBytes: number): Uint8Array {
  const options = { maxOutputLength: maxRawBytes }
  try {
    if (format === 'estargz') {
      const json = onlyFileOf(gunzipSync(bytes, options))
      if (digestOf(json) === digest) return json
    } else if (digestOf(bytes) === digest) return zstdDecompressSync(bytes, options)
  } catch (cause) {
    throw cause instanceof TocError ? cause : new TocError('table of contents cannot be uncompressed', cause)
  }
  throw new TocError('table of contents is not the one that the manifest names')
}

/** The content of the one file in a tar. */
function onlyFileOf(tar: Buffer): Uint8Array {
  const name = tar.toString('latin1', 0, ESTARGZ_TOC_NAME.length + 1)
  const sizeBytes = Number.parseInt(tar.toString('latin1', 124, 136), 8)
  if (name !== `${ESTARGZ_TOC_NAME}\0` || !(sizeBytes >= 0) || TAR_BLOCK_BYTES + sizeBytes > tar.byteLength)
    throw new TocError('table of contents is not where the footer says')
  return tar.subarray(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + sizeBytes)
}

function entriesOf(json: Uint8Array): readonly unknown[] {
  try {
    const toc: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'))
    const entries = fieldOf(toc, 'entries')
    if (Array.isArray(entries) && entries.length <= MAX_TOC_ENTRIES) return entries
  } catch (cause) {
    throw new TocError('table of contents is not JSON', cause)
  }
  throw new TocError('table of contents has no list of entries, or too many')
}

/** Several entries may begin in one member, which counts once, with the digest of the first. */
function collect(entries: readonly unknown[], end: number): FoundMembers {
  const offsets: number[] = []
  const marks: number[] = []
  let last = -1
  for (const entry of entries) {
    const offset = fieldOf(entry, 'offset')
    if (offset === undefined || offset === null || offset === last) continue
    if (typeof offset !== 'number' || !Number.isInteger(offset) || offset < last || offset < 0 || offset >= end)
      throw new TocError(`a member that begins nowhere, after one at ${last}`)
    offsets.push(offset)
    marks.push(markOf(fieldOf(entry, 'chunkDigest') ?? fieldOf(entry, 'digest')))
    last = offset
  }
  return { offsets: Float64Array.from(offsets), marks: Uint32Array.from(marks) }
}

function markOf(digest: unknown): number {
  const [, start] = typeof digest === 'string' ? (DIGEST.exec(digest) ?? []) : []
  return start === undefined ? NO_MARK : Number.parseInt(start, 16)
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
