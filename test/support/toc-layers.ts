import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf } from '../../src/core/index.ts'

/** A file of a layer. */
export interface TocFile {
  readonly name: string
  readonly content: Uint8Array
}

/** A layer with a table of contents, and the annotations that its manifest has for it. */
export interface TocLayer {
  readonly bytes: Buffer
  readonly annotations: Readonly<Record<string, string>>
  /** Where each file's member begins. */
  readonly offsets: readonly number[]
}

/** An eStargz layer: every tar header and every file a gzip member of its own, the table of contents and the footer behind. */
export function estargzLayer(files: readonly TocFile[]): TocLayer {
  const { members, entries, offsets, end } = membersOf(files, (bytes) => gzipSync(bytes))
  const json = Buffer.from(JSON.stringify({ version: 1, entries }))
  const toc = gzipSync(Buffer.concat([tarHeader('stargz.index.json', json.byteLength), json, padding(json.byteLength)]))
  return {
    bytes: Buffer.concat([...members, toc, estargzFooter(end)]),
    annotations: { 'containerd.io/snapshot/stargz/toc.digest': digestOf(json) },
    offsets,
  }
}

/** A zstd:chunked layer, its table of contents in a skippable frame as containers/storage writes it. */
export function zstdChunkedLayer(files: readonly TocFile[]): TocLayer {
  const { members, entries, offsets, end } = membersOf(files, (bytes) => zstdCompressSync(bytes))
  const json = Buffer.from(JSON.stringify({ version: 1, entries }))
  const toc = zstdCompressSync(json)
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a50, 0)
  header.writeUInt32LE(toc.byteLength, 4)
  const position = `${end + header.byteLength}:${toc.byteLength}:${json.byteLength}:1`
  return {
    bytes: Buffer.concat([...members, header, toc]),
    annotations: {
      'io.github.containers.zstd-chunked.manifest-checksum': digestOf(toc),
      'io.github.containers.zstd-chunked.manifest-position': position,
    },
    offsets,
  }
}

/** The 51 bytes that say where the table of contents begins. */
export function estargzFooter(offset: number): Buffer {
  const text = Buffer.from(`${offset.toString(16).padStart(16, '0')}STARGZ`)
  const head = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0])
  return Buffer.concat([head, text, Buffer.from([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])])
}

function membersOf(files: readonly TocFile[], compress: (bytes: Uint8Array) => Buffer) {
  const members: Buffer[] = []
  const offsets: number[] = []
  let end = 0
  const add = (bytes: Uint8Array) => {
    const member = compress(bytes)
    members.push(member)
    end += member.byteLength
  }
  const entries: unknown[] = [{ type: 'dir', name: 'app/' }]
  for (const { name, content } of files) {
    add(tarHeader(name, content.byteLength))
    const offset = end
    add(Buffer.concat([content, padding(content.byteLength)]))
    const digest = digestOf(content)
    offsets.push(offset)
    entries.push({ type: 'reg', name, size: content.byteLength, offset, endOffset: end, digest, chunkDigest: digest })
  }
  add(Buffer.alloc(1024))
  return { members, entries, offsets, end }
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 100)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((512 - (sizeBytes % 512)) % 512)
}
