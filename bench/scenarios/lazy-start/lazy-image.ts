import type { BuiltImage } from '../../../test/support/images.ts'
import { convertedImage } from '../../../test/support/lazy-image.ts'
import { imageInLayout } from '../../lab/layout-image.ts'
import { debianImage } from '../upgrade/debian-image.ts'
import { isEstargz } from '../upgrade/upgrade-images.ts'

/**
 * An image with python3 and numpy in eStargz: the one in `folder`, or one that is built of Debian packages, converted unless it
 * is so already. What is built or converted is kept in the temporary folder. Needs root.
 */
export async function numpyImage(folder?: string): Promise<BuiltImage> {
  const image = await imageInLayout(folder ?? (await debianImage('medium', 'v1')))
  return isEstargz(image) ? image : await convertedImage(image)
}
