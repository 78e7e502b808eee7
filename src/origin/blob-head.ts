import type { Clock, Digest } from '../core/index.ts'
import { parseContentRange } from './content-range.ts'
import { OriginBrokenError } from './errors.ts'
import type { Registry, Reply } from './registry.ts'
import { failureOf } from './reply-failure.ts'
import { identityOf, type OriginCallOptions } from './settings.ts'

export interface BlobHeadPlace {
  readonly registry: Registry
  readonly repository: string
  readonly digest: Digest
  readonly clock: Clock
}

/** The size of a blob; `undefined` when the repository does not have it. */
export async function headBlob(
  place: BlobHeadPlace,
  options: OriginCallOptions,
): Promise<{ sizeBytes: number } | undefined> {
  const { registry, repository, digest, clock } = place
  const request = { method: 'HEAD', repository, path: `blobs/${digest}`, urgency: 'document' } as const
  const head = await registry.read(request, identityOf(options), options, ({ answer, ...reply }) => {
    if (answer.status === 404) return undefined
    if (answer.status === 200 && answer.contentLength !== undefined) return { sizeBytes: answer.contentLength }
    // Storage that is asked with a URL signed for GET refuses HEAD.
    if (answer.status === 200 || answer.status === 405 || (reply.isAway && answer.status < 500)) return 'ask with GET'
    throw failureOf({ answer, ...reply }, clock)
  })
  return head === 'ask with GET' ? await firstByte(place, options) : head
}

async function firstByte(
  { registry, repository, digest, clock }: BlobHeadPlace,
  options: OriginCallOptions,
): Promise<{ sizeBytes: number } | undefined> {
  const headers = { range: 'bytes=0-0' }
  const request = { method: 'GET', repository, path: `blobs/${digest}`, headers, urgency: 'document' } as const
  return await registry.read(request, identityOf(options), options, (reply) => {
    if (reply.answer.status === 404) return undefined
    const sizeBytes = sizeIn(reply)
    if (sizeBytes === undefined) throw failureOf(reply, clock)
    return { sizeBytes }
  })
}

function sizeIn({ answer }: Reply): number | undefined {
  if (answer.status === 200 && answer.contentLength !== undefined) return answer.contentLength
  // What a range of an empty blob is answered with.
  if (answer.status === 416 && answer.header('content-range') === 'bytes */0') return 0
  if (answer.status === 206 || answer.status === 200) {
    const total = parseContentRange(answer.header('content-range'))?.totalBytes
    if (total === undefined) throw new OriginBrokenError('origin does not tell the size of the blob')
    return total
  }
  return undefined
}
