import type { StatusView } from '../../../src/cli/status-view.ts'

/** What one agent said of itself before and after something. */
export interface StatusDifference {
  readonly before: StatusView
  readonly after: StatusView
}

/** Bytes that agents took from elsewhere. */
export interface SourceBytes {
  readonly peers: number
  readonly tracker: number
  readonly origin: number
}

/** What all agents together took in between, by source. */
export function sourceBytes(differences: readonly StatusDifference[]): SourceBytes {
  const sum = (source: keyof SourceBytes): number =>
    differences.reduce(
      (total, { before, after }) => total + after.bytesBySource[source] - before.bytesBySource[source],
      0,
    )
  return { peers: sum('peers'), tracker: sum('tracker'), origin: sum('origin') }
}

/** Bytes on the wire between zones, by `z1 from z2`. */
export type ZonePairs = Readonly<Record<string, number>>

/** What agents of each zone received in between from peers of each zone. */
export function zonePairs(differences: readonly StatusDifference[]): ZonePairs {
  const pairs: Record<string, number> = {}
  for (const { before, after } of differences) {
    const earlier = new Map(before.peers.map((peer) => [peer.id, peer.bytesIn]))
    for (const { id, zone, bytesIn } of after.peers) {
      const pair = `${after.zone} from ${zone === '' ? 'none' : zone}`
      pairs[pair] = (pairs[pair] ?? 0) + Math.max(0, bytesIn - (earlier.get(id) ?? 0))
    }
  }
  return pairs
}
