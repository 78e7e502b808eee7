import { createHash } from 'node:crypto'
import type { BuiltImage } from './images.ts'
import { fileDigests } from './lazy-image.ts'

/** Folders of a test image that hold its files; the others belong to the container. */
const FOLDERS = ['/app', '/bin', '/lib']

/** Files that one program reads: few enough that there is a middle of the reading, enough that starting programs is not most of it. */
const FILES_PER_BATCH = 20

/** What it says on the standard error output after each batch. */
const BATCH_MARK = 'batch read'

/** In a container: reads every file, one after the other, and ends at the first that cannot be read. */
const READ_ALL = `set -o pipefail
find ${FOLDERS.join(' ')} -type f | sort |
  xargs -n ${FILES_PER_BATCH} sh -c 'sha256sum "$@" || exit 255; echo "${BATCH_MARK}" >&2' sh |
  sha256sum`

/** Command that reads the whole image, says how far it is, and prints one sum over all names and contents. */
export const READ_ALL_COMMAND = ['/bin/busybox', 'sh', '-c', READ_ALL] as const

/** The sum that the command prints if every byte is right, made from the layers as they were before any conversion. */
export async function sumOfAll(image: BuiltImage): Promise<string> {
  const files = [...(await fileDigests(image))].filter(([path]) =>
    FOLDERS.some((folder) => path.startsWith(`${folder}/`)),
  )
  const lines = files.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([path, digest]) => `${digest}  ${path}\n`)
  return createHash('sha256').update(lines.join('')).digest('hex')
}

/** The sum in what the command printed; `undefined` when it did not come so far. */
export function sumIn(output: string): string | undefined {
  return /^([0-9a-f]{64}) {2}-$/m.exec(output)?.[1]
}

/** How many batches of files had been read when this was printed. */
export function batchesIn(output: string): number {
  return output.split(BATCH_MARK).length - 1
}
