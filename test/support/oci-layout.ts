import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, readlink, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Pack, pack } from 'tar-stream'

/** A descriptor of the OCI image specification. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** One thing in a layer. A `tree` is a folder of this machine with all that is in it. */
export type LayerEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'text'; readonly path: string; readonly text: string; readonly mode?: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'file'; readonly path: string; readonly source: string; readonly mode?: number }
  | { readonly kind: 'tree'; readonly path: string; readonly source: string }

/** A layer as stored, with the digest of its uncompressed tar that the image config lists. */
export interface Layer {
  readonly descriptor: Descriptor
  readonly diffId: string
}

/** Level 1: the digests matter here, not the ratio, and it is four times faster than the default. */
const GZIP_LEVEL = 1

/** Fixed, so that the same content has the same digest on every day. */
const ENTRY_TIME = new Date(0)

/** Where a blob lies inside a layout folder. */
export function blobPath(layoutFolder: string, digest: string): string {
  return join(layoutFolder, 'blobs', digest.replace(':', '/'))
}

/** Makes an empty OCI image layout in `folder`. */
export async function createLayout(folder: string): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

/** Stores a JSON document as a blob. */
export async function writeDocument(folder: string, mediaType: string, document: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await writeFile(blobPath(folder, digest), bytes)
  return { mediaType, digest, size: bytes.byteLength }
}

/** Stores `entries` as one gzip layer blob. */
export async function writeLayer(folder: string, name: string, entries: readonly LayerEntry[]): Promise<Layer> {
  const archive = pack()
  const tarHash = createHash('sha256')
  const blobHash = createHash('sha256')
  const partPath = join(folder, `${name}.part`)
  const written = pipeline(
    archive,
    new PassThrough(),
    tap(tarHash),
    createGzip({ level: GZIP_LEVEL }),
    tap(blobHash),
    createWriteStream(partPath),
  )
  await Promise.all([written, fill(archive, entries)])
  const digest = `sha256:${blobHash.digest('hex')}`
  const { size } = await stat(partPath)
  await rename(partPath, blobPath(folder, digest))
  return {
    descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size },
    diffId: `sha256:${tarHash.digest('hex')}`,
  }
}

async function fill(archive: Pack, entries: readonly LayerEntry[]): Promise<void> {
  for (const entry of entries) await add(archive, entry)
  archive.finalize()
}

async function add(archive: Pack, entry: LayerEntry): Promise<void> {
  const header = { name: entry.path, mtime: ENTRY_TIME, uid: 0, gid: 0 }
  switch (entry.kind) {
    case 'folder':
      archive.entry({ ...header, type: 'directory', mode: entry.mode ?? 0o755 })
      return
    case 'link':
      archive.entry({ ...header, type: 'symlink', linkname: entry.target })
      return
    case 'text':
      archive.entry({ ...header, mode: entry.mode ?? 0o644 }, entry.text)
      return
    case 'file': {
      const { size, mode } = await stat(entry.source)
      await pipeline(
        createReadStream(entry.source),
        archive.entry({ ...header, size, mode: entry.mode ?? mode & 0o777 }),
      )
      return
    }
    case 'tree':
      await addTree(archive, entry.path, entry.source)
  }
}

async function addTree(archive: Pack, path: string, source: string): Promise<void> {
  await add(archive, { kind: 'folder', path })
  const children = await readdir(source, { withFileTypes: true })
  children.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const child of children) {
    const from = join(source, child.name)
    const to = `${path}/${child.name}`
    if (child.isDirectory()) await addTree(archive, to, from)
    else if (child.isSymbolicLink()) await add(archive, { kind: 'link', path: to, target: await readlink(from) })
    else if (child.isFile()) await addSmallFile(archive, to, from)
  }
}

/** Whole files at a time: packages are thousands of small ones, and a stream each would take most of the build. */
async function addSmallFile(archive: Pack, path: string, source: string): Promise<void> {
  const bytes = await readFile(source)
  const { mode } = await stat(source)
  await new Promise<void>((resolve, reject) => {
    const header = { name: path, mtime: ENTRY_TIME, mode: mode & 0o777, uid: 0, gid: 0 }
    archive.entry(header, bytes, (error) => (error ? reject(error) : resolve()))
  })
}

function tap(hash: ReturnType<typeof createHash>): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
}
