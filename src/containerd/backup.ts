import { join } from 'node:path'
import { z } from 'zod'
import { type Digest, digestOf } from '../core/index.ts'
import { ContainerdFilesError } from './errors.ts'
import { ABSENT, type FileState, readLink, readState, textOf } from './file-state.ts'
import { BACKUP_FOLDER } from './host-folders.ts'

const previousSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('absent') }),
  z.strictObject({ kind: z.literal('symlink'), target: z.string() }),
  z.strictObject({ kind: z.literal('file'), mode: z.int(), uid: z.int(), gid: z.int(), sha256: z.string() }),
])

const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** Topmost folder that was made for `certsDir`; `null` when it was there. */
  createdRoot: z.string().nullable(),
  folders: z.record(
    z.string(),
    z.strictObject({
      /** Digests of what we wrote, newest first: a crash may leave the one before. */
      written: z.array(z.string()).max(2),
      isFolderOurs: z.boolean(),
      previous: previousSchema,
    }),
  ),
})

/** What we wrote in each folder and what was there before. */
export type Manifest = z.output<typeof manifestSchema>

export type ManifestEntry = Manifest['folders'][string]

export const EMPTY_MANIFEST: Manifest = { version: 1, createdRoot: null, folders: {} }

export function manifestPath(certsDir: string): string {
  return join(certsDir, BACKUP_FOLDER, 'manifest.json')
}

/** Where the bytes of the previous hosts.toml of `folder` are kept. */
export function backupPath(certsDir: string, folder: string): string {
  return join(certsDir, BACKUP_FOLDER, `${folder}.hosts.toml`)
}

/** Reads the manifest; `undefined` when nothing was configured. Throws when it is there but damaged. */
export async function readManifest(certsDir: string): Promise<{ state: FileState; manifest: Manifest | undefined }> {
  const path = manifestPath(certsDir)
  const state = await readState(path)
  if (state.kind === 'absent') return { state, manifest: undefined }
  try {
    return { state, manifest: manifestSchema.parse(JSON.parse(textOf(state))) }
  } catch (error) {
    throw new ContainerdFilesError(
      `${path} is damaged; compare the files beside it by hand and remove that folder`,
      error,
    )
  }
}

export function renderManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/** What a manifest keeps of `state`; the bytes of a file go to `backupPath`. */
export function toPrevious(state: FileState): ManifestEntry['previous'] {
  if (state.kind === 'absent') return { kind: 'absent' }
  if (state.kind === 'symlink') return { kind: 'symlink', target: state.target }
  return { kind: 'file', mode: state.mode, uid: state.uid, gid: state.gid, sha256: digestOf(state.bytes) }
}

/** What was there before we first wrote; throws when its backup is gone or no longer has its digest. */
export async function readPrevious(certsDir: string, folder: string, { previous }: ManifestEntry): Promise<FileState> {
  if (previous.kind === 'absent') return ABSENT
  if (previous.kind === 'symlink') return await readLink(join(certsDir, folder), previous.target)
  const path = backupPath(certsDir, folder)
  const backup = await readState(path)
  if (backup.kind !== 'file' || digestOf(backup.bytes) !== previous.sha256) {
    throw new ContainerdFilesError(`the backup ${path} is missing or was changed`)
  }
  return { kind: 'file', bytes: backup.bytes, mode: previous.mode, uid: previous.uid, gid: previous.gid }
}

/** Whether `state` is something we wrote. */
export function isWritten(entry: ManifestEntry, state: FileState): boolean {
  return state.kind === 'file' && entry.written.includes(digestOf(state.bytes))
}

/** Digest of the content of a file of ours. */
export function writtenDigest(text: string): Digest {
  return digestOf(Buffer.from(text))
}
