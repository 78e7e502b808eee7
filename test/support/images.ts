import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ImageSize, recipe } from './image-recipes.ts'
import { createLayout, type Descriptor, type Layer, writeDocument, writeLayer } from './oci-layout.ts'

export { GREETING, type ImageSize } from './image-recipes.ts'
export { blobPath, type Descriptor } from './oci-layout.ts'

/** An image in an OCI layout folder on this machine. */
export interface BuiltImage {
  readonly layoutFolder: string
  /** The name it has in the layout's index. */
  readonly tag: string
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly command: readonly string[]
  /** Bytes of config and layers: what a registry serves as blobs for one cold pull. */
  readonly blobBytes: number
}

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'
const TAG = 'v1'

/** Files that decide what is in an image besides the machine itself. */
const RECIPE_FILES = ['./image-recipes.ts', './oci-layout.ts', './images.ts', '../../package-lock.json']

/** Builds the image, or finds it where an earlier run of the same recipe on the same content left it. */
export async function buildImage(size: ImageSize): Promise<BuiltImage> {
  const folder = join(tmpdir(), `shoal-image-${size}-${await contentKey()}`)
  if (!existsSync(folder)) await buildInto(folder, size)
  return JSON.parse(await readFile(join(folder, 'built.json'), 'utf8')) as BuiltImage
}

/** What the layers are made of, as far as it can change: the packages, the runtime and the recipe itself. */
async function contentKey(): Promise<string> {
  const hash = createHash('sha256').update(`${process.version} ${process.arch} ${process.getuid?.()}`)
  for (const file of RECIPE_FILES) hash.update(await readFile(fileURLToPath(new URL(file, import.meta.url))))
  const busybox = await stat('/bin/busybox').catch(() => undefined)
  hash.update(`${busybox?.size} ${busybox?.mtimeMs}`)
  return hash.digest('hex').slice(0, 16)
}

/** Builds beside the final place and moves there in one step, so that two test files may build at the same time. */
async function buildInto(folder: string, size: ImageSize): Promise<void> {
  const part = await mkdtemp(`${folder}.part-`)
  try {
    const image = await writeImage(part, size)
    await writeFile(join(part, 'built.json'), JSON.stringify({ ...image, layoutFolder: folder }))
    await rename(part, folder).catch((error: NodeJS.ErrnoException) => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(part, { recursive: true, force: true })
  }
}

async function writeImage(folder: string, size: ImageSize): Promise<BuiltImage> {
  const { layers: wanted, command } = recipe(size)
  await createLayout(folder)
  const layers: Layer[] = []
  for (const { name, entries } of wanted) layers.push(await writeLayer(folder, name, entries))
  const config = await writeDocument(folder, CONFIG_TYPE, imageConfig(layers, command))
  const descriptors = layers.map((layer) => layer.descriptor)
  const manifest = await writeDocument(folder, MANIFEST_TYPE, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config,
    layers: descriptors,
  })
  await writeFile(join(folder, 'index.json'), JSON.stringify(layoutIndex(manifest)))
  const blobBytes = [config, ...descriptors].reduce((sum, blob) => sum + blob.size, 0)
  return { layoutFolder: folder, tag: TAG, manifest, config, layers: descriptors, command, blobBytes }
}

function imageConfig(layers: readonly Layer[], command: readonly string[]): unknown {
  return {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/usr/local/bin:/usr/bin:/bin'], WorkingDir: '/', Cmd: command },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  }
}

function layoutIndex(manifest: Descriptor): unknown {
  const annotations = { 'org.opencontainers.image.ref.name': TAG }
  return { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [{ ...manifest, annotations }] }
}
