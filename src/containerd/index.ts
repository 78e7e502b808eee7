/**
 * Makes containerd ask the mirror first, by its hosts.toml files, and takes that back.
 * Promise: every call does all or nothing; what was there is kept and comes back byte for byte; files that somebody else has
 * edited are never overwritten unasked. What the files said besides stays in force behind the mirror.
 * Owns the folder `_shoal-backup` inside containerd's folder; the truth is on disk, nothing is kept in memory.
 */
export type { ContainerdAction } from './action.ts'
export { type ConfigureInit, configureContainerd } from './configure.ts'
export type { ContainerdConfigReport } from './containerd-config.ts'
export { ContainerdEditedError, ContainerdFilesError, ContainerdRequestError } from './errors.ts'
export { type RestoreInit, restoreContainerd } from './restore.ts'
export { type ContainerdReport, type RegistryReport, type ShowInit, showContainerd } from './show.ts'
