import { GridLayout } from '../../../src/chunking/index.ts'
import { sha256 } from '../../../src/core/index.ts'
import { ChunkBoard } from '../../../src/scheduler/chunk-board.ts'
import { DigestTrust } from '../../../src/scheduler/digest-trust.ts'
import { defaultSettings } from '../../../src/scheduler/index.ts'
import { PeerState } from '../../../src/scheduler/peer-state.ts'
import type { PlanView } from '../../../src/scheduler/plan-view.ts'
import { visitWanted } from '../../../src/scheduler/wanted.ts'

export interface PlanLabInit extends Partial<Omit<PlanView, 'layout' | 'isHeld'>> {
  readonly chunkCount: number
  /** Chunk numbers that each agent holds. */
  readonly holdings?: readonly (readonly number[])[]
  readonly held?: readonly number[]
  /** Chunks whose digest is believed; all of them unless named. */
  readonly believed?: readonly number[]
  /** Agents that must agree on a digest; 2 unless said. */
  readonly agreement?: number
}

/** Bytes of one chunk in these plans. */
export const CHUNK = 10

/** A view for `plan` with sensible defaults: nothing held, every digest believed, room for everything. */
export function planView(init: PlanLabInit): PlanView & { readonly agents: readonly PeerState[] } {
  const { chunkCount, holdings = [], held = [], believed, agreement = 2, ...rest } = init
  const layout = new GridLayout(chunkCount * CHUNK, CHUNK)
  const board = new ChunkBoard(chunkCount)
  const trust = new DigestTrust(chunkCount, agreement, () => false)
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    if (believed === undefined || believed.includes(chunk)) trust.vouch(chunk, sha256(Buffer.from([chunk])))
  }
  const agents = holdings.map((chunks, i) => {
    const peer = new PeerState(`agent-${i}`, 'agent', chunkCount, 0)
    for (const chunk of chunks) if (peer.gains(chunk)) board.addCopy(chunk)
    return peer
  })
  return {
    nowMs: 0,
    layout,
    board,
    trust,
    demands: [],
    agents,
    duty: undefined,
    isSettled: true,
    isTakingStock: false,
    isTrackerPending: false,
    dutyHolder: () => undefined,
    crossingHolder: () => undefined,
    originRunChunks: Number.POSITIVE_INFINITY,
    mayReadOrigin: true,
    originReads: 0,
    freeSlots: 100,
    roomInWindow: 100,
    settings: {
      ...defaultSettings,
      openWindowBytes: 2 * CHUNK,
      pullWindowBytes: 3 * CHUNK,
      originExtentBytes: 4 * CHUNK,
    },
    random: () => 0,
    isHeld: (chunk) => held.includes(chunk),
    ...rest,
  }
}

/** The wanted chunks of `view` in their order. */
export function wantedOf(view: PlanView): number[] {
  const chunks: number[] = []
  const visit = (chunk: number) => {
    chunks.push(chunk)
    return false
  }
  visitWanted(view, { takesOrphans: true, takesHeld: true, visit })
  return chunks
}

export function trackerState(chunkCount: number): PeerState {
  return new PeerState('tracker', 'tracker', chunkCount, 0)
}
