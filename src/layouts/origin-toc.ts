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

/** Reads bytes [start, end) of one layer. */
type ReadRange = (start: number, end: number) => Promise<Buffer>

/** The table of contents of a layer, read from the origin and not verified. Throws a TocError when there is none, and as `readBlob` does. */
export async function readToc(
  ref: BlobRef,
  anchor: TocAnchor,
  access: OriginAccess,
  origin: OriginSource,
  { signal }: AbortOptions,
): Promise<TocSection> {
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

async function readEstargz({ sizeBytes }: BlobRef, digest: string, read: ReadRange): Promise<TocSection> {
  const end = sizeBytes - ESTARGZ_FOOTER_BYTES
  if (end <= 0) throw new TocError(`no table of contents in ${sizeBytes} bytes`)
  const guess = Math.min(MAX_TOC_BYTES, TAIL_BYTES + Math.floor(sizeBytes * TAIL_SHARE))
  const tailAt = Math.max(0, sizeBytes - guess)
  const tail = await read(tailAt, sizeBytes)
  const offset = tocOffsetOf(tail.subarray(-ESTARGZ_FOOTER_BYTES))
  if (offset === undefined || offset >= end) throw new TocError('the layer does not end as eStargz does')
  if (end - offset > MAX_TOC_BYTES) throw new TocError(`table of contents of ${end - offset} bytes`)
  const ofTail = tail.subarray(Math.max(0, offset - tailAt), -ESTARGZ_FOOTER_BYTES)
  const bytes = offset < tailAt ? Buffer.concat([await read(offset, tailAt), ofTail]) : ofTail
  return { format: 'estargz', digest, bytes, offset }
}

async function readZstdChunked(
  ref: BlobRef,
  { digest, offset, sizeBytes, rawBytes }: ZstdChunkedAnchor,
  read: ReadRange,
): Promise<TocSection> {
  if (sizeBytes > MAX_TOC_BYTES || rawBytes > MAX_RAW_TOC_BYTES)
    throw new TocError(`table of contents of ${rawBytes} bytes`)
  if (sizeBytes === 0 || offset + sizeBytes > ref.sizeBytes) throw new TocError('table of contents is not in the layer')
  return { format: 'zstd-chunked', digest, bytes: await read(offset, offset + sizeBytes), offset }
}
