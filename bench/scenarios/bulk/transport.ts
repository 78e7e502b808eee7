import type { Payload } from './payload.ts'

/** Chunks in flight at a time: as many as an agent asks of one peer. */
export const LANES = 4

/** The end that has the bytes. */
export interface ServingEnd {
  /** What the pulling end needs to come here, as text. */
  readonly address: string
}

/** The end that wants them. */
export interface PullingEnd {
  /** Fetches one chunk on lane `lane`, which is at no other one, and throws unless it is right. */
  fetch(chunk: number, lane: number): Promise<void>
}

/** One way for chunks to get from one process to another. Both ends last as long as their process. */
export interface Transport {
  serve(payload: Payload): Promise<ServingEnd>
  connect(address: string, payload: Payload): Promise<PullingEnd>
}
