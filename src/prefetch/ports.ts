import type { AbortOptions, PeerRef } from '../core/index.ts'
import type { Answer, Ask } from './messages.ts'

/** One stream about one order: typed messages each way. What it throws means that nothing more will come. */
export interface Channel<Sent, Received> {
  readonly peerId: string
  send(message: Sent, options: AbortOptions): Promise<void>
  receive(options: AbortOptions): Promise<Received>
  /** Ends it in good order: what was sent is still delivered. */
  close(): void
  abort(error: Error): void
}

/** The side that has opened the stream and gives orders. */
export type AskingChannel = Channel<Ask, Answer>

/** The side that takes them. */
export type AnsweringChannel = Channel<Answer, Ask>

/** Whom this node can tell, and how. */
export interface PrefetchNetwork {
  readonly selfId: string
  /** Peers that are connected, with their addresses. */
  members(): Promise<readonly PeerRef[]>
  /** Throws when the peer cannot be reached or does not know the protocol. */
  open(peer: PeerRef, options: AbortOptions): Promise<AskingChannel>
}

/** The same as a server. */
export interface PrefetchServer extends PrefetchNetwork {
  /** Hands over each stream that a peer opens; `answer` does not throw. */
  serve(answer: (channel: AnsweringChannel) => Promise<void>): Promise<void>
  stop(): Promise<void>
}
