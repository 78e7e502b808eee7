import type { DocumentHandlerComponents } from './manifest-handler.ts'
import type { MirrorRequest } from './mirror-request.ts'
import type { TagsPage } from './ports.ts'
import type { Reply, ReplyHeaders } from './reply.ts'
import { errorReply, jsonReply } from './responses.ts'
import type { Route } from './router.ts'
import { refusalReply, unknownReply } from './unavailable.ts'

type TagsRoute = Extract<Route, { kind: 'tags' }>

/** The most tags one page is asked for; registries cap it at 1000 to 10000 themselves. */
const MAX_PAGE = 10_000

/** Answers `tags/list`, page by page as the client wants it. */
export class TagsHandler {
  readonly #components: DocumentHandlerComponents

  constructor(components: DocumentHandlerComponents) {
    this.#components = components
  }

  async handle(request: MirrorRequest, route: TagsRoute): Promise<Reply> {
    const { call, method, query } = request
    const n = pageSize(query.get('n'))
    if (n === 'invalid') return errorReply(method, 400, 'UNSUPPORTED', 'n is not a count')
    const access = await this.#components.gate.check(
      route.origin,
      { kind: 'tags', reference: '' },
      call.authorization,
      call,
    )
    const refused = refusalReply(access, request, 'tags')
    if (refused !== undefined) return refused
    const last = query.get('last') ?? undefined
    const asked = { ...(n === undefined ? {} : { n }), ...(last === undefined ? {} : { last }) }
    // No tags at all are asked for; the specification wants an empty list and no link.
    const page = n === 0 ? EMPTY_PAGE : await this.#components.documents.tagsList(route.origin, asked, call)
    if (page === undefined) return unknownReply(method, 'tags')
    return jsonReply(
      method,
      200,
      { name: route.origin.repository, tags: page.tags },
      linkHeader(request, route, page, n),
    )
  }
}

const EMPTY_PAGE: TagsPage = { tags: [], hasMore: false }

function pageSize(text: string | null): number | undefined | 'invalid' {
  if (text === null) return undefined
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MAX_PAGE) : 'invalid'
}

/** The next page, at the name and with the `ns` the client used, so that it comes back here for it. */
function linkHeader({ query }: MirrorRequest, route: TagsRoute, page: TagsPage, n: number | undefined): ReplyHeaders {
  const last = page.tags.at(-1)
  if (!page.hasMore || last === undefined) return {}
  const next = new URLSearchParams({ n: String(n ?? page.tags.length), last })
  const ns = query.get('ns')
  if (ns !== null) next.set('ns', ns)
  return { link: `</v2/${route.requestedName}/tags/list?${next.toString()}>; rel="next"` }
}
