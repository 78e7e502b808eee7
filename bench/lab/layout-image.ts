import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuiltImage, blobPath, type Descriptor } from '../../test/support/images.ts'
import { UsageError } from '../usage-error.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'

type Annotated = Descriptor & { readonly annotations?: Readonly<Record<string, string>> }

/** The image in the folder of an OCI layout, which anybody may have made. */
export async function imageInLayout(folder: string): Promise<BuiltImage> {
  const { manifests } = await readJson<{ readonly manifests: readonly Annotated[] }>(join(folder, 'index.json'))
  const [manifest] = manifests
  if (manifest === undefined) throw new UsageError(`there is no image in ${folder}`)
  const { config, layers } = await readJson<{ config: Descriptor; layers: readonly Annotated[] }>(
    blobPath(folder, manifest.digest),
  )
  const blobBytes = [config, ...layers].reduce((sum, { size }) => sum + size, 0)
  const tag = manifest.annotations?.[REF_NAME] ?? ''
  return { layoutFolder: folder, tag, manifest, config, layers, command: [], blobBytes }
}

async function readJson<Document>(file: string): Promise<Document> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Document
  } catch (cause) {
    throw new UsageError(`${file} is not part of an OCI layout: ${String(cause)}`)
  }
}
