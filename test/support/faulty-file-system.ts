import { type FileSystem, nodeFileSystem, type StoreFile } from '../../src/store/index.ts'

/** One operation that changes the disk, as the fault decides about it. */
export interface FileOperation {
  readonly number: number
  readonly name:
    | 'create'
    | 'write'
    | 'truncate'
    | 'sync'
    | 'rename'
    | 'remove'
    | 'makeDirectory'
    | 'syncDirectory'
    | 'read'
  readonly path: string
}

/** `pass` does it, `tear` does the first half of a write and nothing of the rest, a code fails it as the system would. */
export type FaultDecision = 'pass' | 'tear' | 'ENOSPC' | 'EIO'

/** The real file system, with every changing operation counted, and done or not as `decide` says. Syncing costs nothing. */
export class FaultyFileSystem implements FileSystem {
  decide: (operation: FileOperation) => FaultDecision = () => 'pass'
  freeBytesNow: number | undefined
  /** Whether reads are decided on too; they are not counted otherwise. */
  decidesReads = false
  #count = 0

  get operationCount(): number {
    return this.#count
  }

  /** The process dies at operation `number`: a write may be torn, and nothing happens from then on. */
  cutAt(number: number, isTorn: boolean): void {
    this.decide = (operation) => {
      if (operation.number < number) return 'pass'
      return operation.number === number && isTorn ? 'tear' : 'EIO'
    }
  }

  async openFile(path: string, mode: 'create' | 'update'): Promise<StoreFile> {
    if (mode === 'create') this.#enter('create', path)
    const file = await nodeFileSystem.openFile(path, mode)
    return {
      read: async (buffer, position) => {
        if (this.decidesReads) this.#enter('read', path)
        return await file.read(buffer, position)
      },
      write: async (bytes, position) => {
        if (this.#enter('write', path) !== 'tear') return await file.write(bytes, position)
        await file.write(bytes.subarray(0, bytes.byteLength >> 1), position)
        throw systemError('EIO', path)
      },
      truncate: async (sizeBytes) => {
        this.#enter('truncate', path)
        await file.truncate(sizeBytes)
      },
      sync: async () => void this.#enter('sync', path),
      close: () => file.close(),
    }
  }

  async rename(from: string, to: string): Promise<void> {
    this.#enter('rename', to)
    await nodeFileSystem.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    this.#enter('remove', path)
    await nodeFileSystem.remove(path)
  }

  async makeDirectory(path: string): Promise<void> {
    this.#enter('makeDirectory', path)
    await nodeFileSystem.makeDirectory(path)
  }

  async syncDirectory(path: string): Promise<void> {
    this.#enter('syncDirectory', path)
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return nodeFileSystem.readFile(path)
  }

  stat(path: string) {
    return nodeFileSystem.stat(path)
  }

  list(path: string): Promise<readonly string[]> {
    return nodeFileSystem.list(path)
  }

  async freeBytes(path: string): Promise<number> {
    return this.freeBytesNow ?? (await nodeFileSystem.freeBytes(path))
  }

  #enter(name: FileOperation['name'], path: string): FaultDecision {
    const decision = this.decide({ number: this.#count++, name, path })
    if (decision === 'pass' || (decision === 'tear' && name === 'write')) return decision
    throw systemError(decision === 'tear' ? 'EIO' : decision, path)
  }
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code, syscall: 'injected', path })
}
