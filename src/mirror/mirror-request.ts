import type { RangeRequest } from './byte-ranges.ts'
import type { ClientKind } from './client-class.ts'
import type { FirstByteBudget } from './first-byte-budget.ts'
import type { CallerOptions } from './ports.ts'

/** One request as the handlers see it. */
export interface MirrorRequest {
  readonly method: 'GET' | 'HEAD'
  readonly query: URLSearchParams
  readonly range: RangeRequest
  readonly client: ClientKind
  readonly budget: FirstByteBudget
  /** The client's credentials and the budget's signal, for whatever is called on its behalf. */
  readonly call: CallerOptions
}
