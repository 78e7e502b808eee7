import { join } from 'node:path'
import pLimit from 'p-limit'
import { type ChunkLayout, ChunkLayoutError, type Cutter, decodeTocLayout } from '../chunking/index.ts'
import { type Digest, parseDigest } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { BlobFiles } from './blob-files.ts'
import { BlobState } from './blob-state.ts'
import type { Catalogue } from './catalogue.ts'
import { type ChunksHeader, decodeHeader, decodeRecord } from './chunk-records.ts'
import type { FilePool } from './file-pool.ts'
import type { FileSystem } from './file-system.ts'
import type { BlobPaths, StorePaths } from './paths.ts'

export interface RecoveryComponents {
  readonly paths: StorePaths
  readonly files: FileSystem
  readonly pool: FilePool
  readonly cutter: Cutter
  readonly catalogue: Catalogue
  readonly logger: Logger
  /** When a blob was last used, if something remembers; otherwise the time of its files counts. */
  readonly lastUsedOf: (digest: Digest) => number | undefined
}

/** A blob as its files tell, before aliases are resolved. */
interface FoundBlob {
  readonly blob: BlobState
  readonly chunksFile: Uint8Array
  readonly isMarked: boolean
}

/** Blobs looked at together: the threads that node:fs works with by default. */
const CONCURRENCY = 4

/**
 * Fills the catalogue from the files. What an unfinished blob says it holds is suspect until it is checked; a blob with
 * its marker is believed, unless a chunk of it is missing. Files that cannot be made sense of are removed.
 */
export async function recoverBlobs(components: RecoveryComponents): Promise<void> {
  const limit = pLimit(CONCURRENCY)
  const names = await blobFileNames(components)
  const found = await Promise.all(
    [...names].map(([digest, present]) => limit(() => recoverBlob(components, digest, present))),
  )
  const blobs = found.filter((one) => one !== undefined)
  for (const one of blobs) enterBlob(components.catalogue, one)
  for (const one of blobs) enterAliases(components.catalogue, one)
  for (const one of blobs) await settle(components, one)
}

/** File names by blob; whatever else lies there is removed. */
async function blobFileNames({ files, paths }: RecoveryComponents): Promise<Map<Digest, Set<string>>> {
  const names = new Map<Digest, Set<string>>()
  for (const directory of await files.list(paths.blobs)) {
    for (const name of await files.list(join(paths.blobs, directory))) {
      const digest = parseDigest(`sha256:${name.slice(0, 64)}`)
      const known = digest && new Set(Object.values(paths.blob(digest)))
      const path = join(paths.blobs, directory, name)
      if (digest === undefined || !known?.has(path)) await files.remove(path)
      else names.set(digest, (names.get(digest) ?? new Set()).add(path))
    }
  }
  return names
}

async function recoverBlob(
  components: RecoveryComponents,
  digest: Digest,
  present: ReadonlySet<string>,
): Promise<FoundBlob | undefined> {
  const { files, logger } = components
  const paths = components.paths.blob(digest)
  const chunksFile = present.has(paths.chunks) ? await files.readFile(paths.chunks) : undefined
  const header = chunksFile && decodeHeader(chunksFile)
  const layout = header && (await layoutOf(header, paths, components))
  const data = await files.stat(paths.data)
  const isWhole = header?.ref.digest === digest && data?.sizeBytes === header.ref.sizeBytes
  if (chunksFile === undefined || layout === undefined || !isWhole) {
    logger.info({ blob: digest }, 'removed what was left of a blob')
    for (const path of [paths.done, paths.chunks, paths.cut, paths.map, paths.data]) await files.remove(path)
    return undefined
  }
  const { ref } = header
  const lastUsedMs = components.lastUsedOf(digest) ?? (await files.stat(paths.chunks))?.modifiedMs ?? 0
  const blobFiles = new BlobFiles({ ref, layout, paths, exists: true }, components)
  const blob = new BlobState({ ref, layout, paths, files: blobFiles, lastUsedMs })
  return { blob, chunksFile, isMarked: present.has(paths.done) }
}

/** How the blob was cut when it was begun; `undefined` when the file that says so is not there or another's. */
async function layoutOf(
  { ref, kind, fingerprint }: ChunksHeader,
  paths: BlobPaths,
  { files, cutter }: RecoveryComponents,
): Promise<ChunkLayout | undefined> {
  if (kind === 'grid') return cutter.cut(ref)
  const bytes = await files.readFile(paths.cut)
  try {
    const layout = bytes && decodeTocLayout(bytes, ref.sizeBytes)
    return layout?.fingerprint === fingerprint ? layout : undefined
  } catch (error) {
    if (error instanceof ChunkLayoutError) return undefined
    throw error
  }
}

function enterBlob(catalogue: Catalogue, { blob, chunksFile, isMarked }: FoundBlob): void {
  catalogue.add(blob)
  for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++) {
    const record = decodeRecord(chunksFile, chunk)
    if (record?.state !== 'own') continue
    catalogue.hold({ blob, chunk }, record.digest)
    if (!isMarked) blob.suspects.add(chunk)
  }
}

function enterAliases(catalogue: Catalogue, { blob, chunksFile }: FoundBlob): void {
  for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++) {
    const record = decodeRecord(chunksFile, chunk)
    const holder = record?.state === 'alias' ? catalogue.find(record.digest) : undefined
    if (record === undefined || holder === undefined) continue
    if (holder.blob.layout.lengthOf(holder.chunk) !== blob.layout.lengthOf(chunk)) continue
    catalogue.alias({ blob, chunk }, record.digest, holder)
  }
}

async function settle({ files, logger }: RecoveryComponents, { blob, isMarked }: FoundBlob): Promise<void> {
  if (!isMarked) return
  blob.isComplete = blob.heldCount === blob.layout.chunkCount
  if (blob.isComplete) return
  logger.warn({ blob: blob.ref.digest }, 'a complete blob has lost chunks')
  for (const chunk of blob.ownChunks()) blob.suspects.add(chunk)
  await files.remove(blob.paths.done)
}
