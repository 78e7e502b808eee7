import type { PeerRole } from '../core/index.ts'
import { type ChunkBoard, ORIGIN } from './chunk-board.ts'
import { DutyRoster, type Duties } from './duty-roster.ts'
import type { OriginPace } from './origin-pace.ts'
import type { PeerState } from './peer-state.ts'
import type { Swarm } from './swarm.ts'

/** Chunks of the first origin read of an agent that knows nobody else: what a fellow who turns up may find read already. */
const FIRST_RUN_CHUNKS = 2

/** Patience is at least this many times what a chunk takes: a slow source is no reason to ask it twice. */
const PATIENCE_FACTOR = 4

export interface DownloadDutiesInit {
  readonly selfId: string
  readonly role: PeerRole
  readonly digest: string
  readonly chunkCount: number
  readonly dutyPatienceMs: number
}

export interface DownloadDutiesComponents {
  readonly swarm: Swarm
  readonly board: ChunkBoard
  readonly pace: OriginPace
  readonly isHad: (chunk: number) => boolean
}

/**
 * Which chunks of one blob are ours to fetch from outside: from the origin where no tracker has duty, and from another
 * zone where nobody near has them.
 */
export class DownloadDuties {
  readonly #init: DownloadDutiesInit
  readonly #components: DownloadDutiesComponents
  readonly #origin: DutyRoster
  readonly #crossing: DutyRoster
  /** When each chunk was first heard to be in another zone. */
  readonly #farSinceMs = new Map<number, number>()
  /** Where those stand that have told of chunks. */
  readonly #zones = new Set<string>()
  #originSinceMs = 0
  #runChunks = FIRST_RUN_CHUNKS

  constructor(init: DownloadDutiesInit, components: DownloadDutiesComponents) {
    this.#init = init
    this.#components = components
    this.#origin = new DutyRoster(init.selfId, init.digest)
    this.#crossing = new DutyRoster(init.selfId, init.digest)
  }

  /** Who reads what from the origin, without a tracker. */
  ofOrigin(nowMs: number): Duties {
    const { swarm, board, isHad } = this.#components
    return this.#origin.at({
      nowMs,
      patienceMs: this.#patienceMs(this.#originMs(nowMs)),
      members: this.#init.dutyPatienceMs > 0 ? this.#membersAmong(swarm.sharers, nowMs) : [],
      chunkCount: this.#init.chunkCount,
      sinceMs: () => 0,
      isOrphan: (chunk) => !isHad(chunk) && board.copiesOf(chunk) === 0,
    })
  }

  /**
   * An agent that is slow to send still reads: whoever left it out would read the same meanwhile. Trackers do nothing else
   * than to send, so one that has stalled is left out.
   */
  #membersAmong(sharers: readonly PeerState[], nowMs: number): readonly PeerState[] {
    return this.#init.role === 'agent' ? sharers : sharers.filter((peer) => peer.isAble(nowMs))
  }

  /** Who fetches what from other zones; everybody of ours has it from there. */
  ofCrossing(nowMs: number): Duties {
    const { swarm, isHad } = this.#components
    const near = swarm.sharers.filter((peer) => !peer.isFar)
    const farMs = Math.max(0, ...swarm.holders.map((peer) => (peer.isFar ? (peer.serviceMs ?? 0) : 0)))
    return this.#crossing.at({
      nowMs,
      patienceMs: this.#patienceMs(farMs),
      members: near.filter((peer) => peer.isAble(nowMs)),
      chunkCount: this.#init.chunkCount,
      sinceMs: (chunk) => this.#farSinceMs.get(chunk) ?? nowMs,
      isOrphan: (chunk) => !isHad(chunk) && !near.some((peer) => peer.holds(chunk)),
    })
  }

  /** Chunks that one origin read may cover: few at first while nobody shares in it, so that a fellow who turns up finds work. */
  get runChunks(): number {
    const isAlone = this.#init.role === 'agent' && this.#components.swarm.sharers.length === 0
    return isAlone ? this.#runChunks : Number.POSITIVE_INFINITY
  }

  originAsked(nowMs: number): void {
    this.#originSinceMs = nowMs
    this.#runChunks *= 2
  }

  originGave(nowMs: number): void {
    const tookMs = nowMs - this.#originSinceMs
    this.#originSinceMs = nowMs
    this.#components.pace.tookMs(tookMs)
  }

  /** `peer` has `chunk` now; to be called before that is noted. */
  gained(peer: PeerState, chunk: number, nowMs: number): void {
    const { board, isHad } = this.#components
    if (peer.isFar && !this.#farSinceMs.has(chunk)) this.#farSinceMs.set(chunk, nowMs)
    if (isHad(chunk)) return
    if (board.copiesOf(chunk) === 0 || !this.#isInZone(peer.zone, chunk)) peer.lastNewMs = nowMs
  }

  /** Whether one of those that share with us in `zone` is known to have `chunk`, which somebody has. */
  #isInZone(zone: string, chunk: number): boolean {
    this.#zones.add(zone)
    // All agents that are counted share with us: where all stand together there is nothing to look for.
    if (this.#init.role === 'agent' && this.#zones.size === 1) return true
    return this.#components.swarm.sharers.some((other) => other.zone === zone && other.holds(chunk))
  }

  /**
   * What a chunk of the origin takes as far as is known: as long as ours does not come, those of others need not come either,
   * and asking for theirs as well would only make all of them later.
   */
  #originMs(nowMs: number): number {
    const { board, pace } = this.#components
    const isReading = board.attempts().some(({ sourceId }) => sourceId === ORIGIN)
    return isReading ? Math.max(pace.chunkMs, nowMs - this.#originSinceMs) : pace.chunkMs
  }

  #patienceMs(chunkMs: number): number {
    return Math.max(this.#init.dutyPatienceMs, PATIENCE_FACTOR * chunkMs)
  }
}
