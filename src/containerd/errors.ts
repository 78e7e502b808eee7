import { ShoalError } from '../core/index.ts'

/** A folder or file of containerd's registry configuration cannot be read or written. Nothing was changed. */
export class ContainerdFilesError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'CONTAINERD_FILES', blame: 'local', retryable: false, cause })
  }
}

/** Somebody else has changed these files since Shoal wrote or read them; putting anything there would lose that. Nothing was changed. */
export class ContainerdEditedError extends ShoalError {
  readonly paths: readonly string[]

  constructor(paths: readonly string[]) {
    super(`edited since: ${paths.join(', ')}`, { code: 'CONTAINERD_EDITED', blame: 'caller', retryable: false })
    this.paths = paths
  }
}

/** What was asked for makes no sense: a mirror URL with a path, a name that is no registry. */
export class ContainerdRequestError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'CONTAINERD_REQUEST', blame: 'caller', retryable: false })
  }
}
