import type { Lease } from '../util/index.ts'
import { MediaType } from '../oci/index.ts'
import { multipartBody, rangeBody } from './blob-body.ts'
import type { AbortOptions } from '../core/index.ts'
import { type AskedRange, type ByteRange, contentRange, resolveRanges, unsatisfiedContentRange } from './byte-ranges.ts'
import type { MirrorRequest } from './mirror-request.ts'
import { planMultipart } from './multipart.ts'
import type { BlobDemand, BlobHandle } from './ports.ts'
import type { Reply, ReplyHeaders } from './reply.ts'
import { errorReply } from './responses.ts'

/** What is to be sent of a blob, decided from its size and the asked ranges alone. */
export interface BodyPlan {
  readonly status: 200 | 206
  readonly lengthBytes: number
  readonly headers: ReplyHeaders
  readonly open: () => AsyncIterator<Lease, void>
}

/** The body a request gets of an open blob, or the refusal of its ranges. */
export function planBody({ method, range, call: { signal } }: MirrorRequest, handle: BlobHandle): BodyPlan | Reply {
  const { sizeBytes } = handle
  // An empty blob has no range to give; net/http and others answer it whole.
  if (method === 'HEAD' || range.outcome !== 'ranges' || sizeBytes === 0) return wholeBody(handle, { signal })
  const resolved = resolveRanges(range.ranges, sizeBytes)
  switch (resolved.outcome) {
    case 'excessive':
      return errorReply(method, 400, 'UNSUPPORTED', 'the ranges overlap too much')
    case 'unsatisfiable': {
      const headers = { 'content-range': unsatisfiedContentRange(sizeBytes), 'accept-ranges': 'bytes' }
      return errorReply(method, 416, 'SIZE_INVALID', 'outside the blob', headers)
    }
    case 'ranges':
      return partialBody(handle, resolved.ranges, demandOf(range.ranges), { signal })
  }
}

function wholeBody(handle: BlobHandle, options: AbortOptions): BodyPlan {
  const everything = { start: 0, end: handle.sizeBytes }
  return {
    status: 200,
    lengthBytes: handle.sizeBytes,
    headers: {},
    open: () => rangeBody(handle, everything, 'whole', options),
  }
}

/** One range is answered plainly: a multipart answer to it is forbidden (RFC 9110, section 15.3.7.2). */
function partialBody(
  handle: BlobHandle,
  ranges: readonly ByteRange[],
  demand: BlobDemand,
  options: AbortOptions,
): BodyPlan {
  const [only, ...more] = ranges
  if (only !== undefined && more.length === 0) {
    return {
      status: 206,
      lengthBytes: only.end - only.start,
      headers: { 'content-range': contentRange(only, handle.sizeBytes) },
      open: () => rangeBody(handle, only, demand, options),
    }
  }
  const multipart = planMultipart(ranges, handle.sizeBytes, MediaType.octetStream)
  return {
    status: 206,
    lengthBytes: multipart.lengthBytes,
    headers: { 'content-type': multipart.contentType },
    open: () => multipartBody(handle, multipart, options),
  }
}

/** A range without an end may be left at any point: containerd's parallel fetch reads one part of it and hangs up. */
function demandOf(asked: readonly AskedRange[]): BlobDemand {
  return asked.some((one) => one.kind === 'from' && one.last === undefined) ? 'open' : 'range'
}
