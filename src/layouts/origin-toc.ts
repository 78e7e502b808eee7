import type { AbortOptions, BlobRef } from '../core/index.ts'
import type { TocAnchor, ZstdChunkedAnchor } from '../oci/index.ts'
import type { OriginAccess, OriginSource } from '../scheduler/index.ts'
import { TocError } from './errors.ts'
import { ESTARGZ_FOOTER_BYTES, tocOffsetOf } from './estargz-footer.ts'
import { MAX_RAW_TOC_BYTES, MAX_TOC_BYTES } from './toc-limits.ts'
import type { TocSection } from './toc-members.ts'

/** Bytes read from the end of an eStargz layer at first: most tables of contents are below a 128th of it, so one request does. */
const TAIL_BYTES = 64 * 1024
const TAIL_SHARE = 1 / 128

/** A table of contents as the origin has it, and the end of the layer where it was read for that, footer included. */
export interface ReadToc {
  readonly section: TocSection
  readonly tail?: { readonly start: number; readonly bytes: Uint8Array }
}

/** Reads bytes [start, end) of one layer. */
type ReadRange = (start: number, end: number) => Promise<Buffer>

/** The table of contents of a layer, read from the origin and not verified. Throws a TocError when there is none, and as `readBlob` does. */
export async function readToc(
  ref: BlobRef,
  anchor: TocAnchor,
  access: OriginAccess,
  origin: OriginSource,
  { signal }: AbortOptions,
): Promise<ReadToc> {
  const read = async (start: number, end: number) => {
    const pieces: Uint8Array[] = []
    const options = { ...(signal === undefined ? {} : { signal }), bandwidthClass: () => 'lazy' as const }
    for await (const piece of origin.readBlob(ref, access, { start, end }, options)) pieces.push(Uint8Array.from(piece))
    return Buffer.concat(pieces)
  }
  return anchor.format === 'estargz'
    ? await readEstargz(ref, anchor.digest, read)
    : await readZstdChunked(ref, anchor, read)
}

async function readEstargz({ sizeBytes }: BlobRef, digest: string, read: ReadRange): Promise<ReadToc> {
  const end = sizeBytes - ESTARGZ_FOOTER_BYTES
  if (end <= 0) throw new TocError(`no table of contents in ${sizeBytes} bytes`)
  const guess = Math.min(MAX_TOC_BYTES, TAIL_BYTES + Math.floor(sizeBytes * TAIL_SHARE))
  const tailAt = Math.max(0, sizeBytes - guess)
  const tail = await read(tailAt, sizeBytes)
  const offset = tocOffsetOf(tail.subarray(-ESTARGZ_FOOTER_BYTES))
  if (offset === undefined || offset >= end) throw new TocError('the layer does not end as eStargz does')
  if (end - offset > MAX_TOC_BYTES) throw new TocError(`table of contents of ${end - offset} bytes`)
  const start = Math.min(offset, tailAt)
  const bytes = start < tailAt ? Buffer.concat([await read(start, tailAt), tail]) : tail
  const toc = bytes.subarray(offset - start, -ESTARGZ_FOOTER_BYTES)
  return { section: { format: 'estargz', digest, bytes: toc, offset }, tail: { start, bytes } }
}

async function readZstdChunked(
  ref: BlobRef,
  { digest, offset, sizeBytes, rawBytes }: ZstdChunkedAnchor,
  read: ReadRange,
): Promise<ReadToc> {
  if (sizeBytes > MAX_TOC_BYTES || rawBytes > MAX_RAW_TOC_BYTES)
    throw new TocError(`table of contents of ${rawBytes} bytes`)
  if (sizeBytes === 0 || offset + sizeBytes > ref.sizeBytes) throw new TocError('table of contents is not in the layer')
  const bytes = await read(offset, offset + sizeBytes)
  return { section: { format: 'zstd-chunked', digest, bytes, offset } }
}
