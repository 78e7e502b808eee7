import { readdir } from 'node:fs/promises'

/** Certificate files beside a hosts.toml, by names relative to their folder. */
export interface CertFiles {
  readonly authorities: readonly string[]
  /** `key` is `undefined` when the certificate file holds the key too. */
  readonly clients: readonly { readonly certificate: string; readonly key: string | undefined }[]
}

/** Docker's convention, which containerd follows where there is no hosts.toml: `.crt` authorities, `.cert` and `.key` pairs. */
export async function findCertFiles(folder: string): Promise<CertFiles> {
  const names = await namesIn(folder)
  const clients = names.filter((name) => name.endsWith('.cert'))
  return {
    authorities: names.filter((name) => name.endsWith('.crt')),
    clients: clients.map((certificate) => {
      const key = certificate.replace(/\.cert$/, '.key')
      return { certificate, key: names.includes(key) ? key : undefined }
    }),
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name)
      .toSorted()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
