/** What a peer is in the swarm: trackers seed and vouch, agents trade. */
export type PeerRole = 'agent' | 'tracker'

/** Another agent or tracker: its PeerId in text form and the multiaddrs it was heard of at (may be empty when its address is already known). */
export interface PeerRef {
  readonly id: string
  readonly addresses: readonly string[]
}
