import type { Digest } from '../core/index.ts'
import { referenceText } from '../oci/index.ts'
import type { MirrorRequest } from './mirror-request.ts'
import type { AccessGate, DocumentSource } from './ports.ts'
import type { Reply, ReplyHeaders } from './reply.ts'
import { documentReply } from './responses.ts'
import type { Route } from './router.ts'
import { refusalReply, unknownReply } from './unavailable.ts'

export interface DocumentHandlerComponents {
  readonly documents: DocumentSource
  readonly gate: AccessGate
}

type ManifestRoute = Extract<Route, { kind: 'manifest' }>

/**
 * Answers GET and HEAD for manifests and indexes: a tag is settled at the origin, then the digest is served from anywhere.
 * Accept converts nothing and Range is ignored, both as registries do.
 */
export class ManifestHandler {
  readonly #components: DocumentHandlerComponents

  constructor(components: DocumentHandlerComponents) {
    this.#components = components
  }

  async handle(request: MirrorRequest, route: ManifestRoute): Promise<Reply> {
    const { call } = request
    const subject = { kind: 'manifest', reference: referenceText(route.reference) } as const
    const access = await this.#components.gate.check(route.origin, subject, call.authorization, call)
    const refused = refusalReply(access, request, 'manifest')
    if (refused !== undefined) return refused
    if (route.reference.kind === 'digest') return await this.#byDigest(request, route, route.reference.digest)
    return await this.#byTag(request, route, route.reference.tag)
  }

  async #byTag(request: MirrorRequest, route: ManifestRoute, tag: string): Promise<Reply> {
    const found = await this.#components.documents.resolveTag(route.origin, tag, request.call)
    if (found === undefined) return unknownReply(request.method, 'manifest')
    if (request.method === 'GET') return await this.#byDigest(request, route, found.digest)
    return { status: 200, headers: { ...manifestHeaders(found), 'content-length': String(found.sizeBytes) } }
  }

  async #byDigest(request: MirrorRequest, route: ManifestRoute, digest: Digest): Promise<Reply> {
    const document = await this.#components.documents.manifest([route.origin], digest, request.call)
    if (document === undefined) return unknownReply(request.method, 'manifest')
    return documentReply(request.method, 200, document.bytes, manifestHeaders(document))
  }
}

function manifestHeaders({ digest, mediaType }: { readonly digest: Digest; readonly mediaType: string }): ReplyHeaders {
  return { 'content-type': mediaType, 'docker-content-digest': digest, etag: `"${digest}"` }
}
