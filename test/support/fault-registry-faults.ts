import type { Digest } from '../../src/core/index.ts'

/** What a request to the registry is for; `storage` is the server it redirects blobs to. */
export type RequestKind = 'ping' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'token' | 'storage'

/** What goes wrong with one answer. Bytes are counted in the body as it would have been sent. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** 429 with Retry-After. */
  | { readonly kind: 'throttle'; readonly retryAfterSeconds: number }
  /** FIN after so many bytes, short of Content-Length. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** RST after so many bytes. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** Nothing more after so many bytes, or not even headers; the connection stays open. */
  | { readonly kind: 'stall'; readonly afterBytes: number | 'nothing' }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** 200 with the whole blob whatever range was asked for. */
  | { readonly kind: 'ignore-range' }
  /** Another Content-Range, or none, on the right bytes. */
  | { readonly kind: 'content-range'; readonly value: string | undefined }
  /** So many bytes more (or fewer) than Content-Range and the blob's size say, with a Content-Length that fits what is sent. */
  | { readonly kind: 'wrong-length'; readonly deltaBytes: number }
  /** One byte flipped. */
  | { readonly kind: 'corrupt'; readonly atByte: number }
  /** Headers added to the right answer, or left out where `undefined`. */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string | undefined>> }
  /** Sends somewhere else. */
  | { readonly kind: 'redirect'; readonly location: string }

/** Which requests a fault is for; what is left out matches all. */
export interface FaultRule {
  readonly on?: RequestKind
  readonly method?: string
  readonly digest?: Digest
  /** How many requests it hits; every one when left out. */
  readonly times?: number
  readonly fault: Fault
}

interface Entry {
  readonly rule: FaultRule
  leftCount: number
}

/** The faults of one registry, the first matching one for each request. */
export class Faults {
  readonly #entries: Entry[] = []

  add(rule: FaultRule): void {
    this.#entries.push({ rule, leftCount: rule.times ?? Number.POSITIVE_INFINITY })
  }

  clear(): void {
    this.#entries.length = 0
  }

  /** The fault that this request takes, counted as used. */
  take(kind: RequestKind, method: string, path: string): Fault | undefined {
    const entry = this.#entries.find(({ rule, leftCount }) => leftCount > 0 && matches(rule, kind, method, path))
    if (entry === undefined) return undefined
    entry.leftCount--
    return entry.rule.fault
  }
}

function matches(
  { on, method: ruleMethod, digest }: FaultRule,
  kind: RequestKind,
  method: string,
  path: string,
): boolean {
  return (on ?? kind) === kind && (ruleMethod ?? method) === method && (digest === undefined || path.includes(digest))
}
