import { type AbortOptions, isAbort, type PeerRef } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { DocumentPeers, DocumentReply, DocumentRequest } from './ports.ts'

/** Longest wait for one peer's answer: a tracker may itself have to ask the origin first. */
const ANSWER_TIMEOUT_MS = 3_000

/** Agents asked at once when the origin is down. */
const ASKED_AGENTS = 8

/** The answers of `peers`, in the order in which they come; whoever fails is left out. */
async function* answers(
  peers: readonly PeerRef[],
  from: DocumentPeers,
  request: DocumentRequest,
  { signal }: AbortOptions,
  logger: Logger,
): AsyncIterable<DocumentReply> {
  const ended = AbortSignal.any([AbortSignal.timeout(ANSWER_TIMEOUT_MS), ...(signal === undefined ? [] : [signal])])
  const pending = new Map<string, Promise<{ id: string; reply: DocumentReply | undefined }>>()
  for (const peer of peers) pending.set(peer.id, askOne(peer, from, request, ended, logger))
  while (pending.size > 0) {
    const { id, reply } = await Promise.race(pending.values())
    pending.delete(id)
    if (reply !== undefined) yield reply
  }
}

async function askOne(
  peer: PeerRef,
  from: DocumentPeers,
  request: DocumentRequest,
  signal: AbortSignal,
  logger: Logger,
): Promise<{ id: string; reply: DocumentReply | undefined }> {
  try {
    return { id: peer.id, reply: await from.ask(peer, request, { signal }) }
  } catch (error) {
    if (!isAbort(error)) logger.debug({ peer: peer.id, err: error }, 'peer did not answer for a document')
    return { id: peer.id, reply: undefined }
  }
}

/** The first tracker's answer that is one, `undefined` when none knows. */
export async function askTrackers<K extends DocumentRequest['kind']>(
  from: DocumentPeers,
  request: DocumentRequest & { kind: K },
  options: AbortOptions,
  logger: Logger,
): Promise<Extract<DocumentReply, { kind: K }> | undefined> {
  for await (const reply of answers(from.trackers(), from, request, options, logger)) {
    if (reply.kind === request.kind) return reply as Extract<DocumentReply, { kind: K }>
  }
  return undefined
}

/** The answers of some connected agents, as they come. */
export async function* askAgents<K extends DocumentRequest['kind']>(
  from: DocumentPeers,
  request: DocumentRequest & { kind: K },
  options: AbortOptions,
  logger: Logger,
): AsyncIterable<Extract<DocumentReply, { kind: K }>> {
  for await (const reply of answers(from.agents().slice(0, ASKED_AGENTS), from, request, options, logger)) {
    if (reply.kind === request.kind) yield reply as Extract<DocumentReply, { kind: K }>
  }
}
