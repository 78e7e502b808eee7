import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A file's text, or where a link leads. */
export type Entry = string | { readonly linkTo: string }

/** A folder for hosts.toml files, removed with everything in it. */
export class CertsDir implements AsyncDisposable {
  /** Two levels below a folder that exists, and made by whoever needs it first. */
  readonly path: string
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
    this.path = join(root, 'containerd', 'certs.d')
  }

  static async make(entries: Readonly<Record<string, Entry>> = {}): Promise<CertsDir> {
    const certsDir = new CertsDir(await mkdtemp(join(tmpdir(), 'shoal-certs-')))
    await certsDir.put(entries)
    return certsDir
  }

  /** Writes files and links by their paths inside; a path that ends in a slash is a folder. */
  async put(entries: Readonly<Record<string, Entry>>): Promise<void> {
    for (const [name, entry] of Object.entries(entries)) {
      const path = join(this.path, name)
      await mkdir(name.endsWith('/') ? path : dirname(path), { recursive: true })
      if (typeof entry !== 'string') await symlink(entry.linkTo, path)
      else if (!name.endsWith('/')) await writeFile(path, entry)
    }
  }

  async read(name: string): Promise<string> {
    return await readFile(join(this.path, name), 'utf8')
  }

  /** Everything that is there, with content, mode and owner, by path from the folder above. */
  async snapshot(): Promise<Readonly<Record<string, unknown>>> {
    const names = (await readdir(this.#root, { recursive: true })).toSorted()
    const entries = names.map(async (name) => [name, await describe(join(this.#root, name))] as const)
    return Object.fromEntries(await Promise.all(entries))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#root, { recursive: true, force: true })
  }
}

async function describe(path: string): Promise<unknown> {
  const entry = await lstat(path)
  const { mode, uid, gid } = entry
  if (entry.isSymbolicLink()) return { linkTo: await readlink(path) }
  return entry.isDirectory() ? { mode, uid, gid } : { mode, uid, gid, hex: (await readFile(path)).toString('hex') }
}
