/**
 * What the store needs of a file system, narrow enough that tests can cut or fail any single operation. Errors are those
 * of node:fs, with its `code` and `syscall`.
 */
export interface FileSystem {
  /** `create` makes the file empty, whatever was there; `update` opens one that exists. Both read and write. */
  openFile(path: string, mode: 'create' | 'update'): Promise<StoreFile>
  /** The whole file; `undefined` when there is none. */
  readFile(path: string): Promise<Uint8Array | undefined>
  /** Size and time of the last change; `undefined` when there is no such file. */
  stat(path: string): Promise<FileStat | undefined>
  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; one that is not there is removed already. */
  remove(path: string): Promise<void>
  /** Makes the directory and its parents; one that exists is fine. */
  makeDirectory(path: string): Promise<void>
  /** Names in the directory; none when it does not exist or is no directory. */
  list(path: string): Promise<readonly string[]>
  /** Makes names created, renamed and removed in the directory survive a loss of power. */
  syncDirectory(path: string): Promise<void>
  /** Bytes that this user may still write to the disk that `path` is on. */
  freeBytes(path: string): Promise<number>
}

export interface FileStat {
  readonly sizeBytes: number
  readonly modifiedMs: number
}

export interface StoreFile {
  /** Fills `buffer` from `position`; gives the bytes read, fewer than asked only at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  truncate(sizeBytes: number): Promise<void>
  /** Makes content and size survive a loss of power. */
  sync(): Promise<void>
  close(): Promise<void>
}
