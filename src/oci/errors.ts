import { ShoalError } from '../core/index.ts'

/** The bytes are not a manifest or an index we can read; whoever sent them is to blame, asking again does not help. */
export class InvalidManifestError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'MANIFEST_INVALID', blame: 'origin', retryable: false, cause })
  }
}
