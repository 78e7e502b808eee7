import type { Clock } from '../core/index.ts'
import { MediaType } from '../oci/index.ts'
import type { Lease } from '../util/index.ts'
import type { AbortMemory } from './abort-memory.ts'
import type { AcceptedBlobs } from './accepted-blobs.ts'
import { type BodyPlan, planBody } from './body-plan.ts'
import { dependsOnUs, isLazyProbe } from './client-class.ts'
import type { MirrorRequest } from './mirror-request.ts'
import { PatientHandle } from './patient-handle.ts'
import type { AccessGate, BlobHandle, BlobSource, DigestHistory } from './ports.ts'
import type { Reply, StreamedBody } from './reply.ts'
import { errorReply } from './responses.ts'
import type { Route } from './router.ts'
import { refusalReply, unavailableReply, unknownReply } from './unavailable.ts'

export interface BlobHandlerComponents {
  readonly blobs: BlobSource
  readonly gate: AccessGate
  readonly history: DigestHistory
  readonly aborts: AbortMemory
  readonly accepted: AcceptedBlobs
  readonly clock: Clock
}

type BlobRoute = Extract<Route, { kind: 'blob' }>

/**
 * Answers GET and HEAD for blobs. A 200 or 206 is given only with the first verified bytes at hand, since a client that sees
 * headers and then no byte fails the pull. A request with ranges never gets a 200 for a blob that has bytes.
 */
export class BlobHandler {
  readonly #components: BlobHandlerComponents

  constructor(components: BlobHandlerComponents) {
    this.#components = components
  }

  async handle(request: MirrorRequest, route: BlobRoute): Promise<Reply> {
    const refusal = refuseRange(request) ?? this.#refuseAborted(request, route)
    if (refusal !== undefined) return refusal
    const wasAccepted = this.#components.accepted.has(route.digest)
    const denied = await this.#deny(request, route, wasAccepted)
    if (denied !== undefined) return denied
    const handle = await this.#open(request, route)
    if (handle !== undefined) {
      // A probe that fails at once leaves the client the choice of the registry, which is what probes are for.
      const isBound = dependsOnUs(request.client) && (wasAccepted || !isLazyProbe(request.range))
      return await this.#serve(request, route, isBound ? new PatientHandle(handle, this.#components) : handle)
    }
    // Having said yes once, "try again" is the only answer that does not become an I/O error in a running container.
    return wasAccepted ? unavailableReply(request, 'blob', true) : unknownReply(request.method, 'blob')
  }

  #refuseAborted(request: MirrorRequest, route: BlobRoute): Reply | undefined {
    if (request.client !== 'containerd' || !this.#components.aborts.has(request.client, route.digest)) return undefined
    return unknownReply(request.method, 'blob', 'broke off a moment ago, go on at the registry')
  }

  async #deny(request: MirrorRequest, route: BlobRoute, wasAccepted: boolean): Promise<Reply | undefined> {
    const subject = { kind: 'blob', reference: route.digest } as const
    const access = await this.#components.gate.check(route.origin, subject, request.call.authorization, request.call)
    return refusalReply(access, request, 'blob', wasAccepted)
  }

  async #open({ call }: MirrorRequest, { digest, origin }: BlobRoute): Promise<BlobHandle | undefined> {
    const { blobs, history } = this.#components
    // A size seen before saves the source from asking somebody for it; other repositories may have said a wrong one.
    const sized = history.originsOf(digest).filter((seen) => seen.sizeBytes !== undefined)
    const own = sized.find((seen) => seen.namespace === origin.namespace && seen.repository === origin.repository)
    const { sizeBytes } = own ?? sized[0] ?? {}
    const { authorization, signal } = call
    return await blobs.open({ digest, sizeBytes, origins: [origin], authorization }, { signal })
  }

  async #serve(request: MirrorRequest, route: BlobRoute, handle: BlobHandle): Promise<Reply> {
    try {
      request.budget.follow(() => handle.heldBytes ?? 0)
      const plan = planBody(request, handle)
      const isRefused = !('open' in plan)
      const reply = isRefused ? plan : await begin(request, route, handle, plan)
      if (isRefused || reply.body === undefined) handle.close()
      if (!isRefused && request.client !== 'containerd') this.#components.accepted.note(route.digest)
      return reply
    } catch (error) {
      handle.close()
      throw error
    }
  }
}

function refuseRange({ method, range }: MirrorRequest): Reply | undefined {
  // Range means nothing but to GET (RFC 9110, section 14.2).
  if (method === 'HEAD') return undefined
  if (range.outcome === 'malformed') return errorReply(method, 400, 'UNSUPPORTED', 'the Range header does not parse')
  // containers/image merges its ranges into half as many on a 400 and asks again.
  return range.outcome === 'too-many' ? errorReply(method, 400, 'UNSUPPORTED', 'too many ranges') : undefined
}

async function begin(request: MirrorRequest, route: BlobRoute, handle: BlobHandle, plan: BodyPlan): Promise<Reply> {
  const headers = {
    'content-type': MediaType.octetStream,
    'accept-ranges': 'bytes',
    'docker-content-digest': route.digest,
    etag: `"${route.digest}"`,
    'content-length': String(plan.lengthBytes),
    ...plan.headers,
  }
  const { status } = plan
  if (request.method === 'HEAD') return { status, headers }
  return { status, headers, body: await firstInHand(request, handle, plan) }
}

async function firstInHand({ budget }: MirrorRequest, handle: BlobHandle, plan: BodyPlan): Promise<StreamedBody> {
  const chunks = plan.open()
  const first = plan.lengthBytes === 0 ? undefined : await chunks.next()
  budget.met()
  return {
    lengthBytes: plan.lengthBytes,
    chunks: startingWith(first, chunks),
    done() {
      // The signal first: a read that is still waiting then ends, and with it the iterator.
      budget.close()
      handle.close()
      chunks.return?.().catch(() => {})
    },
  }
}

function startingWith(
  first: IteratorResult<Lease, void> | undefined,
  rest: AsyncIterator<Lease, void>,
): AsyncIterator<Lease, void> {
  let pending = first
  return {
    async next() {
      const next = pending ?? (await rest.next())
      pending = undefined
      return next
    },
  }
}
