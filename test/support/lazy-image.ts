import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { Containerd } from './containerd.ts'
import { type BuiltImage, blobPath, buildImage, type Descriptor, type ImageSize } from './images.ts'
import { runOk } from './processes.ts'

/** Seconds for a small image, a minute for a large one, and many times that where others use the processors too. */
const CONVERT_TIMEOUT_MS = 600_000

const REPOSITORY = 'lab/app'
const TAG = 'estargz'

interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** The image with its layers in eStargz, converted by stargz's own client or left so by an earlier run. Needs root. */
export async function buildLazyImage(size: ImageSize): Promise<BuiltImage> {
  return await convertedImage(await buildImage(size))
}

/** Any image in an OCI layout with its layers in eStargz. */
export async function convertedImage(image: BuiltImage): Promise<BuiltImage> {
  const folder = join(tmpdir(), `shoal-image-estargz-${image.manifest.digest.slice(-16)}`)
  const recordFile = join(folder, 'built.json')
  if (!existsSync(recordFile)) {
    const part = await mkdtemp(`${folder}.part-`)
    try {
      const manifest = await convertInto(part, image)
      await writeFile(join(part, 'built.json'), JSON.stringify(await builtImage(part, manifest, image, folder)))
      await rename(part, folder).catch((error: NodeJS.ErrnoException) => {
        if (!existsSync(recordFile)) throw error
      })
    } finally {
      await rm(part, { recursive: true, force: true })
    }
  }
  return JSON.parse(await readFile(recordFile, 'utf8')) as BuiltImage
}

/** The sha256 of each regular file of the image by its path inside, read from the layers as they were before the conversion. */
export async function fileDigests(image: BuiltImage): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>()
  for (const { digest } of image.layers) {
    const entries = createReadStream(blobPath(image.layoutFolder, digest)).pipe(createGunzip()).pipe(extract())
    for await (const entry of entries) {
      const hash = createHash('sha256')
      for await (const piece of entry) hash.update(piece as Buffer)
      if (entry.header.type === 'file') digests.set(`/${entry.header.name}`, hash.digest('hex'))
    }
  }
  return digests
}

/** Converts within a containerd of its own and unpacks the result as a layout. */
async function convertInto(folder: string, image: BuiltImage): Promise<Descriptor> {
  await using containerd = await Containerd.start()
  const [before, after] = [`${REPOSITORY}:${image.tag}`, `${REPOSITORY}:${TAG}`]
  const [packed, exported] = [join(folder, 'in.tar'), join(folder, 'out.tar')]
  const steps: (readonly [command: string, ...args: string[]])[] = [
    ['tar', '-C', image.layoutFolder, '-cf', packed, 'blobs', 'index.json', 'oci-layout'],
    [...containerd.ctr, 'images', 'import', '--no-unpack', '--base-name', REPOSITORY, packed],
    [
      ...containerd.ctrRemote,
      'images',
      'convert',
      '--estargz',
      '--estargz-compression-level',
      '1',
      '--oci',
      before,
      after,
    ],
    [...containerd.ctr, 'images', 'export', exported, after],
    ['tar', '-C', folder, '-xf', exported],
  ]
  for (const [command, ...args] of steps) await runOk(command, args, { timeoutMs: CONVERT_TIMEOUT_MS })
  await Promise.all([packed, exported].map(async (file) => await rm(file)))
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as { readonly manifests: Descriptor[] }
  const [manifest] = index.manifests
  if (manifest === undefined) throw new Error('the converted image has no manifest')
  return manifest
}

async function builtImage(part: string, manifest: Descriptor, from: BuiltImage, folder: string): Promise<BuiltImage> {
  const { config, layers } = JSON.parse(await readFile(blobPath(part, manifest.digest), 'utf8')) as Manifest
  const blobBytes = [config, ...layers].reduce((sum, { size }) => sum + size, 0)
  return { layoutFolder: folder, tag: TAG, manifest, config, layers, command: from.command, blobBytes }
}
