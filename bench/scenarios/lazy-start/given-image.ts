import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { convertedImage } from '../../../test/support/lazy-image.ts'
import { type BuiltImage, blobPath, type Descriptor } from '../../../test/support/images.ts'
import { UsageError } from '../../usage-error.ts'

/** What stargz's converter says of each layer that it has made. */
const TOC_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest'

const REF_NAME = 'org.opencontainers.image.ref.name'

type Annotated = Descriptor & { readonly annotations?: Readonly<Record<string, string>> }

interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Annotated[]
}

/** The image in an OCI layout as eStargz: as it is, or converted once and kept in the temporary folder. Needs root. */
export async function givenLazyImage(folder: string): Promise<BuiltImage> {
  const { image, isLazy } = await imageIn(folder)
  return isLazy ? image : await convertedImage(image)
}

async function imageIn(folder: string): Promise<{ readonly image: BuiltImage; readonly isLazy: boolean }> {
  const { manifests } = await readJson<{ readonly manifests: readonly Annotated[] }>(join(folder, 'index.json'))
  const [manifest] = manifests
  if (manifest === undefined) throw new UsageError(`there is no image in ${folder}`)
  const { config, layers } = await readJson<Manifest>(blobPath(folder, manifest.digest))
  const image = {
    layoutFolder: folder,
    tag: manifest.annotations?.[REF_NAME] ?? '',
    manifest,
    config,
    layers,
    command: [],
    blobBytes: [config, ...layers].reduce((sum, { size }) => sum + size, 0),
  }
  return { image, isLazy: layers.every(({ annotations }) => annotations?.[TOC_ANNOTATION] !== undefined) }
}

async function readJson<Document>(file: string): Promise<Document> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Document
  } catch (cause) {
    throw new UsageError(`${file} is not part of an OCI layout: ${String(cause)}`)
  }
}
