import { type Digest, parseDigest } from '../core/index.ts'

/**
 * What a manifest says of the table of contents inside a layer that can be pulled lazily: which bytes it must have, so that
 * it can be believed whoever gives it.
 */
export type TocAnchor = EstargzAnchor | ZstdChunkedAnchor

/** eStargz: the place is said by the layer's last bytes. */
export interface EstargzAnchor {
  readonly format: 'estargz'
  /** sha256 of the table of contents, uncompressed. */
  readonly digest: Digest
}

/** zstd:chunked: the manifest says the place too. */
export interface ZstdChunkedAnchor {
  readonly format: 'zstd-chunked'
  /** sha256 of the table of contents as it is in the layer, compressed. */
  readonly digest: Digest
  readonly offset: number
  readonly sizeBytes: number
  /** Bytes when uncompressed. */
  readonly rawBytes: number
}

/** containerd/stargz-snapshotter, docs/estargz.md. */
const ESTARGZ_DIGEST = 'containerd.io/snapshot/stargz/toc.digest'

/** containers/storage, pkg/chunked/internal/minimal. */
const ZSTD_CHECKSUM = 'io.github.containers.zstd-chunked.manifest-checksum'
const ZSTD_POSITION = 'io.github.containers.zstd-chunked.manifest-position'

/** Offset, compressed and uncompressed length, and type, of which 1 is the one there is; fifteen digits are exact numbers. */
const POSITION = /^(\d{1,15}):(\d{1,15}):(\d{1,15}):1$/

/** The anchor among the annotations of a layer; `undefined` when it has none, or none that can be made sense of. */
export function tocAnchorOf(annotations: Readonly<Record<string, string>>): TocAnchor | undefined {
  const estargz = parseDigest(annotations[ESTARGZ_DIGEST] ?? '')
  if (estargz !== undefined) return { format: 'estargz', digest: estargz }
  const digest = parseDigest(annotations[ZSTD_CHECKSUM] ?? '')
  const [, offset, sizeBytes, rawBytes] = POSITION.exec(annotations[ZSTD_POSITION] ?? '') ?? []
  if (digest === undefined || offset === undefined) return undefined
  return {
    format: 'zstd-chunked',
    digest,
    offset: Number(offset),
    sizeBytes: Number(sizeBytes),
    rawBytes: Number(rawBytes),
  }
}
