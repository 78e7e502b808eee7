/** What a worker is asked. */
export interface Call {
  readonly id: number
  readonly method: string
  readonly params: unknown
}

/** What a worker says: the answer to a call, or how far it is. */
export type FromWorker =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly progress: number }
