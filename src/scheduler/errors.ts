import { ShoalError } from '../core/index.ts'

/** Every source of a chunk failed or stayed silent until the deadline; the client is better served elsewhere. */
export class SourcesExhaustedError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'SOURCES_EXHAUSTED', blame: 'origin', retryable: true, cause })
  }
}

/** The assembled blob does not have its digest; all of it was dropped. */
export class BlobCorruptError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'BLOB_CORRUPT', blame: 'peer', retryable: true })
  }
}

/** The download ended while somebody waited for a chunk of it. */
export class DownloadClosedError extends ShoalError {
  constructor() {
    super('download closed', { code: 'DOWNLOAD_CLOSED', blame: 'local', retryable: true })
  }
}
