import { ShoalError } from '../core/index.ts'

/** The command was called in a way it cannot be; ends with exit code 2. */
export class UsageError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'CLI_USAGE', blame: 'caller', retryable: false })
  }
}

/** No agent answered at the admin address, or not what an agent answers. */
export class AdminUnreachableError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'ADMIN_UNREACHABLE', blame: 'local', retryable: true, cause })
  }
}

/** The agent could not do what it was asked; the message is its own. */
export class AdminRefusedError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'ADMIN_REFUSED', blame: 'origin', retryable: false })
  }
}
