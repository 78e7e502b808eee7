import { basename, join } from 'node:path'
import { type Digest, digestOf, parseDigest } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { TEMPORARY_SUFFIX, writeAtomic } from './atomic-file.ts'
import { DocumentInvalidError } from './errors.ts'
import type { FileSystem } from './file-system.ts'
import type { StorePaths } from './paths.ts'

/** A manifest or an index, its bytes exactly as the digest covers them. */
export interface StoredDocument {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** What is known of a document without reading it. */
export interface DocumentEntry {
  readonly digest: Digest
  readonly bytesOnDisk: number
  readonly lastUsedMs: number
}

export interface DocumentStoreComponents {
  readonly paths: StorePaths
  readonly files: FileSystem
  readonly logger: Logger
}

/** Longest document: the size up to which the distribution specification asks registries to take manifests. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024

/** Longest media type, RFC 6838 section 4.2: 127 for each of type and subtype, and the slash. */
const MAX_MEDIA_TYPE_CHARS = 255

/** What a small file takes on common file systems. */
const BLOCK_BYTES = 4096

/**
 * Manifests and indexes, a file each: the media type, a line feed, the bytes. They are checked against their digest when
 * they are put and whenever they are read, so a file that a crash tore is as good as absent.
 */
export class DocumentStore {
  readonly #components: DocumentStoreComponents
  readonly #entries = new Map<Digest, DocumentEntry>()
  #usedBytes = 0

  constructor(components: DocumentStoreComponents) {
    this.#components = components
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  entries(): readonly DocumentEntry[] {
    return [...this.#entries.values()]
  }

  /** Finds the documents on disk. `lastUsedOf` remembers when each was used; otherwise the file's own time counts. */
  async recover(lastUsedOf: (digest: Digest) => number | undefined): Promise<void> {
    const { paths, files } = this.#components
    for (const directory of await files.list(paths.documents)) {
      for (const name of await files.list(join(paths.documents, directory))) {
        await this.#recoverFile(join(paths.documents, directory, name), lastUsedOf)
      }
    }
  }

  /** Checks a document before room is made for it; throws a DocumentInvalidError. */
  check(document: StoredDocument): void {
    const { bytes, mediaType, digest } = document
    if (bytes.byteLength > MAX_DOCUMENT_BYTES)
      throw new DocumentInvalidError(`document of ${bytes.byteLength} bytes is too long`)
    if (mediaType.length > MAX_MEDIA_TYPE_CHARS || !/^[\x20-\x7e]*$/.test(mediaType)) {
      throw new DocumentInvalidError('media type of a document is not one')
    }
    if (digestOf(bytes) !== digest) throw new DocumentInvalidError('document does not match its digest')
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest)
  }

  /** What putting the document takes on disk. */
  bytesFor(document: StoredDocument): number {
    return onDisk(document.mediaType.length + 1 + document.bytes.byteLength)
  }

  /** Writes a document that was checked. */
  async put(document: StoredDocument, nowMs: number): Promise<void> {
    const { paths, files } = this.#components
    const path = paths.document(document.digest)
    const file = Buffer.concat([Buffer.from(`${document.mediaType}\n`, 'latin1'), document.bytes])
    await files.makeDirectory(paths.documentDirectory(document.digest))
    await writeAtomic(files, path, file, { isDurable: false })
    this.#enter({ digest: document.digest, bytesOnDisk: onDisk(file.byteLength), lastUsedMs: nowMs })
  }

  async get(digest: Digest, nowMs: number): Promise<StoredDocument | undefined> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    const document = await this.#read(digest)
    if (document !== undefined) this.#touch(digest, nowMs)
    else await this.remove(digest)
    return document
  }

  async remove(digest: Digest): Promise<void> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    this.#usedBytes -= entry.bytesOnDisk
    await this.#components.files.remove(this.#components.paths.document(digest))
  }

  #touch(digest: Digest, nowMs: number): void {
    const entry = this.#entries.get(digest)
    if (entry !== undefined) this.#entries.set(digest, { ...entry, lastUsedMs: nowMs })
  }

  #enter(entry: DocumentEntry): void {
    this.#usedBytes += entry.bytesOnDisk - (this.#entries.get(entry.digest)?.bytesOnDisk ?? 0)
    this.#entries.set(entry.digest, entry)
  }

  async #read(digest: Digest): Promise<StoredDocument | undefined> {
    const { paths, files, logger } = this.#components
    const file = Buffer.from((await files.readFile(paths.document(digest))) ?? [])
    const end = file.indexOf('\n')
    const bytes = new Uint8Array(file.subarray(end + 1))
    if (end >= 0 && digestOf(bytes) === digest) return { digest, mediaType: file.toString('latin1', 0, end), bytes }
    logger.warn({ digest }, 'a stored document is damaged')
    return undefined
  }

  async #recoverFile(path: string, lastUsedOf: (digest: Digest) => number | undefined): Promise<void> {
    const { files, paths } = this.#components
    const digest = parseDigest(`sha256:${basename(path)}`)
    const stat = await files.stat(path)
    if (digest !== undefined && paths.document(digest) === path && stat !== undefined) {
      const lastUsedMs = lastUsedOf(digest) ?? stat.modifiedMs
      this.#enter({ digest, bytesOnDisk: onDisk(stat.sizeBytes), lastUsedMs })
    } else if (path.endsWith(TEMPORARY_SUFFIX)) {
      await files.remove(path)
    }
  }
}

function onDisk(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES
}
