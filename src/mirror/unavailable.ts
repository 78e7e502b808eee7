import { ShoalError } from '../core/index.ts'
import type { OciErrorCode } from '../oci/index.ts'
import { type ClientKind, failureStatus, isLazyProbe } from './client-class.ts'
import type { MirrorRequest } from './mirror-request.ts'
import type { AccessOutcome } from './ports.ts'
import type { Reply } from './reply.ts'
import { challengeReply, errorReply } from './responses.ts'
import type { Route } from './router.ts'

type PlacedRoute = Exclude<Route, { kind: 'base' | 'refused' }>

const UNKNOWN_CODE: Readonly<Record<PlacedRoute['kind'], OciErrorCode>> = {
  manifest: 'MANIFEST_UNKNOWN',
  blob: 'BLOB_UNKNOWN',
  tags: 'NAME_UNKNOWN',
  referrers: 'MANIFEST_UNKNOWN',
}

/** 404 in the words of what was asked for. */
export function unknownReply(
  method: string,
  kind: PlacedRoute['kind'],
  message = 'not known here or at the registry',
): Reply {
  return errorReply(method, 404, UNKNOWN_CODE[kind], message)
}

/**
 * The answer to what cannot be served now. A manifest is always 404: every client then turns to the origin for the whole
 * image, which is where an image belongs whose blobs may not come either.
 */
export function unavailableReply(request: MirrorRequest, kind: PlacedRoute['kind'], wasAccepted: boolean): Reply {
  return errorReply(
    request.method,
    unavailableStatus(request, kind, wasAccepted),
    UNKNOWN_CODE[kind],
    'cannot be served now',
  )
}

/** Causes of a failure looked through; the scheduler wraps what the origin said once. */
const MAX_CAUSES = 4

/**
 * The origin's challenge in a failure, `undefined` when there is none or the client sent nothing that could have run out. A
 * token that expires while its pass still counts is renewed by every client that sees a 401, and by none that sees a 503.
 */
export function expiredReply({ method, call }: MirrorRequest, failure: unknown): Reply | undefined {
  if (call.authorization === undefined) return undefined
  let error = failure
  for (let depth = 0; depth < MAX_CAUSES && error instanceof ShoalError; depth++) {
    const challenges = 'challenges' in error && Array.isArray(error.challenges) ? error.challenges : []
    if (challenges.length > 0) return challengeReply(method, challenges)
    error = error.cause
  }
  return undefined
}

function unavailableStatus(request: MirrorRequest, kind: PlacedRoute['kind'], wasAccepted: boolean): 404 | 503 {
  if (kind === 'manifest') return 404
  return failureStatus(request.client, { isProbe: isLazyProbe(request.range), wasAccepted })
}

/** The answer to a caller who was not let in, `undefined` when it was. */
export function refusalReply(
  access: AccessOutcome,
  request: MirrorRequest,
  kind: PlacedRoute['kind'],
  wasAccepted = false,
): Reply | undefined {
  switch (access.outcome) {
    case 'allowed':
      return undefined
    case 'challenge':
      return challengeReply(request.method, access.challenges)
    case 'denied':
      return deniedReply(request.method, request.client, kind)
    case 'missing':
      return unknownReply(request.method, kind)
    case 'unconfirmed':
      return unavailableReply(request, kind, wasAccepted)
  }
}

/** containerd only goes to the next host; the snapshotters fetch fresh credentials on a 403, and people read it. */
function deniedReply(method: string, client: ClientKind, kind: PlacedRoute['kind']): Reply {
  if (client === 'containerd') return unknownReply(method, kind, 'the registry denies access')
  return errorReply(method, 403, 'DENIED', 'the registry denies access')
}
