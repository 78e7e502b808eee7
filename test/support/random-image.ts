import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltImage } from './images.ts'
import { blobPath, createLayout, type Descriptor, writeDocument } from './oci-layout.ts'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'
const TAG = 'v1'

/** Writes an image of layers of random bytes into `folder`: nothing that could run, and nothing that anybody else has. */
export async function randomImage(folder: string, layerBytes: readonly number[]): Promise<BuiltImage> {
  const layoutFolder = join(folder, `image-${randomBytes(4).toString('hex')}`)
  await createLayout(layoutFolder)
  const layers: Descriptor[] = []
  for (const size of layerBytes) layers.push(await writeRandomBlob(layoutFolder, size))
  const config = await writeDocument(layoutFolder, CONFIG_TYPE, { architecture: 'amd64', os: 'linux' })
  const document = { schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers }
  const manifest = await writeDocument(layoutFolder, MANIFEST_TYPE, document)
  const blobBytes = [config, ...layers].reduce((sum, blob) => sum + blob.size, 0)
  return { layoutFolder, tag: TAG, manifest, config, layers, command: [], blobBytes }
}

async function writeRandomBlob(layoutFolder: string, size: number): Promise<Descriptor> {
  const bytes = randomBytes(size)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await writeFile(blobPath(layoutFolder, digest), bytes)
  return { mediaType: LAYER_TYPE, digest, size }
}
