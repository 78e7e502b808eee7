import { MediaType } from '../oci/index.ts'
import type { DocumentHandlerComponents } from './manifest-handler.ts'
import type { MirrorRequest } from './mirror-request.ts'
import type { ReferrersDocument } from './ports.ts'
import type { Reply } from './reply.ts'
import { documentReply } from './responses.ts'
import type { Route } from './router.ts'
import { refusalReply } from './unavailable.ts'

type ReferrersRoute = Extract<Route, { kind: 'referrers' }>

const EMPTY_INDEX = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] }))

/** Answers the referrers API: always an index, an empty one where the origin knows of none. */
export class ReferrersHandler {
  readonly #components: DocumentHandlerComponents

  constructor(components: DocumentHandlerComponents) {
    this.#components = components
  }

  async handle(request: MirrorRequest, route: ReferrersRoute): Promise<Reply> {
    const { call, method, query } = request
    const subject = { kind: 'manifest', reference: route.digest } as const
    const access = await this.#components.gate.check(route.origin, subject, call.authorization, call)
    // A digest that does not exist has no referrers, and a 404 would mean that the API is missing.
    if (access.outcome === 'missing') return indexReply(method, undefined)
    const refused = refusalReply(access, request, 'referrers')
    if (refused !== undefined) return refused
    const artifactType = query.get('artifactType') ?? undefined
    return indexReply(
      method,
      await this.#components.documents.referrers(route.origin, route.digest, { ...call, artifactType }),
    )
  }
}

function indexReply(method: string, document: ReferrersDocument | undefined): Reply {
  const filters = document?.filtersApplied
  return documentReply(method, 200, document?.bytes ?? EMPTY_INDEX, {
    'content-type': MediaType.ociIndex,
    ...(filters === undefined ? {} : { 'oci-filters-applied': filters }),
  })
}
