import { join } from 'node:path'
import { type Digest, digestHex } from '../core/index.ts'

/** Version of the directory layout; another version lives beside it and is never read as this one. */
const LAYOUT_VERSION = 'v1'

/** The files of one blob. */
export interface BlobPaths {
  readonly directory: string
  /** The bytes, sparse, at their place in the blob. */
  readonly data: string
  /** Which chunks are held, and their digests. */
  readonly chunks: string
  /** Where the chunks begin, when the size alone does not tell. */
  readonly cut: string
  /** The signed chunk map. */
  readonly map: string
  /** There when the whole blob was checked and synced. */
  readonly done: string
}

/** Where things are in the store's directory. */
export class StorePaths {
  readonly root: string
  readonly blobs: string
  readonly documents: string
  readonly index: string
  readonly lock: string
  readonly lockOwner: string

  constructor(dir: string) {
    this.root = join(dir, LAYOUT_VERSION)
    this.blobs = join(this.root, 'blobs')
    this.documents = join(this.root, 'documents')
    this.index = join(this.root, 'index.db')
    this.lock = join(dir, 'lock.db')
    this.lockOwner = join(dir, 'lock.pid')
  }

  blob(digest: Digest): BlobPaths {
    const hex = digestHex(digest)
    const directory = join(this.blobs, hex.slice(0, 2))
    const base = join(directory, hex)
    return {
      directory,
      data: `${base}.data`,
      chunks: `${base}.chunks`,
      cut: `${base}.cut`,
      map: `${base}.map`,
      done: `${base}.done`,
    }
  }

  documentDirectory(digest: Digest): string {
    return join(this.documents, digestHex(digest).slice(0, 2))
  }

  document(digest: Digest): string {
    return join(this.documentDirectory(digest), digestHex(digest))
  }
}
