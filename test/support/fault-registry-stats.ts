import type { RequestKind } from './fault-registry-faults.ts'

/** One request as the registry saw it. */
export interface SeenRequest {
  readonly kind: RequestKind
  readonly method: string
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Set when the answer is over. */
  status: number
  bodyBytes: number
}

/** What a test registry was asked and what it gave. */
export class RegistryStats {
  readonly requests: SeenRequest[] = []

  /** How many requests there were of one kind (and method), or of all. */
  count(kind?: RequestKind, method?: string): number {
    return this.of(kind, method).length
  }

  of(kind?: RequestKind, method?: string): readonly SeenRequest[] {
    return this.requests.filter(
      (request) => (kind ?? request.kind) === request.kind && (method ?? request.method) === request.method,
    )
  }

  /** Bytes of blobs sent, by the registry and by its storage. */
  get blobBytes(): number {
    return this.requests
      .filter(({ kind }) => kind === 'blob' || kind === 'storage')
      .reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
  }

  clear(): void {
    this.requests.length = 0
  }
}
