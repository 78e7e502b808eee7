import { convertedImage } from '../../../test/support/lazy-image.ts'
import { installPackages } from '../../../test/support/debian-packages.ts'
import type { BuiltImage, Descriptor } from '../../../test/support/images.ts'
import { missingPackages } from '../../../test/support/requirements.ts'
import { missingStargzClient } from '../../../test/support/stargz-daemon.ts'
import { imageInLayout } from '../../lab/layout-image.ts'
import { UsageError } from '../../usage-error.ts'
import { debianImage } from './debian-image.ts'
import type { UpgradeFlags } from './upgrade-flags.ts'

/** Two versions of one image. */
export interface Versions {
  readonly before: BuiltImage
  readonly after: BuiltImage
}

/** How the layers of the two versions are stored. */
export type ImageForm = 'estargz' | 'gzip'

const TOC_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest'

/** Both versions in each form: given, or built of Debian packages; converted to eStargz unless they are so already. */
export async function upgradeImages(flags: UpgradeFlags): Promise<Partial<Record<ImageForm, Versions>>> {
  const { before, after } = await givenOrBuilt(flags)
  if (isEstargz(before) && isEstargz(after)) return { estargz: { before, after } }
  const missing = [...missingPackages(), ...missingStargzClient()]
  const failure = missing.length === 0 ? undefined : await installPackages(missing)
  if (failure !== undefined) throw new UsageError(`${missing.join(', ')} cannot be installed to convert to eStargz`)
  const estargz = { before: await convertedImage(before), after: await convertedImage(after) }
  return { estargz, gzip: { before, after } }
}

async function givenOrBuilt({ before, after, image }: UpgradeFlags): Promise<Versions> {
  const folders = [before ?? (await debianImage(image, 'v1')), after ?? (await debianImage(image, 'v2'))] as const
  return { before: await imageInLayout(folders[0]), after: await imageInLayout(folders[1]) }
}

/** Whether stargz's converter has made all of its layers. */
export function isEstargz({ layers }: BuiltImage): boolean {
  return layers.every((layer) => {
    const { annotations } = layer as Descriptor & { readonly annotations?: Readonly<Record<string, string>> }
    return annotations?.[TOC_ANNOTATION] !== undefined
  })
}
