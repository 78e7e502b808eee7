/**
 * In which order a starting container read a layer lazily, as far as it is known. Only a hint of what to fetch first:
 * nothing is believed because of it.
 */
export interface StartTrace {
  /** Of the layer. */
  readonly sizeBytes: number
  /** Where the chunks begin that were read, the first one first, each once. Bytes, since chunks may be cut in another way elsewhere. */
  readonly offsets: readonly number[]
}

/** Most chunks in a trace: a start reads some tens to some hundreds, and 512 offsets are at most 8 kB of text. */
export const MAX_TRACE_CHUNKS = 512
