import type { P2pNode } from '../p2p/index.ts'

/** What discovery needs of the libp2p node. */
export type DiscoveryNode = Pick<
  P2pNode,
  | 'peerId'
  | 'providers'
  | 'connect'
  | 'isConnected'
  | 'connectedPeers'
  | 'addressesOf'
  | 'isBanned'
  | 'lookAround'
  | 'protect'
  | 'onPeerConnected'
  | 'onPeerDisconnected'
>
