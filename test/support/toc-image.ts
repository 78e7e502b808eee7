import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltImage } from './images.ts'
import { blobPath, createLayout, writeDocument } from './oci-layout.ts'
import type { TocFile, TocLayer } from './toc-layers.ts'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Writes an image of one layer with a table of contents; `annotations` may say something else of it than is true. */
export async function tocImage(
  folder: string,
  name: string,
  { bytes, annotations }: Pick<TocLayer, 'bytes' | 'annotations'>,
): Promise<BuiltImage> {
  const layoutFolder = join(folder, name)
  await mkdir(layoutFolder)
  await createLayout(layoutFolder)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await writeFile(blobPath(layoutFolder, digest), bytes)
  const layer = { mediaType: LAYER_TYPE, digest, size: bytes.byteLength, annotations }
  const config = await writeDocument(layoutFolder, CONFIG_TYPE, { architecture: 'amd64', os: 'linux', name })
  const document = { schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: [layer] }
  const manifest = await writeDocument(layoutFolder, MANIFEST_TYPE, document)
  return {
    layoutFolder,
    tag: 'v1',
    manifest,
    config,
    layers: [layer],
    command: [],
    blobBytes: config.size + layer.size,
  }
}

/** Files of bytes that do not compress, the same each time. */
export function someFiles(count: number, sizeBytes: number): TocFile[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `app/file-${index}`,
    content: noise(`${index}`, sizeBytes),
  }))
}

/** `files` with the content of one of them replaced. */
export function withOneChanged(files: readonly TocFile[], index: number): TocFile[] {
  return files.map((file, at) =>
    at === index ? { ...file, content: noise(`changed ${index}`, file.content.byteLength + 1_000) } : file,
  )
}

function noise(seed: string, sizeBytes: number): Buffer {
  return createHash('shake256', { outputLength: sizeBytes }).update(seed).digest()
}
