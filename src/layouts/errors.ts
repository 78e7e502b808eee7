import { ShoalError } from '../core/index.ts'

/** A layer has no table of contents that is the one its manifest names: whoever built the image is at fault. */
export class TocError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'TOC_INVALID', blame: 'origin', retryable: false, cause })
  }
}

/** The table of contents could not be read here and now. */
export class TocUnreadError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'TOC_UNREAD', blame: 'local', retryable: true, cause })
  }
}
