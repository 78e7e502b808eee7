/** What goes wrong with a peer are words of the domain, since the scheduler acts on each differently. */
export {
  PeerBusyError,
  PeerLacksChunkError,
  PeerClosedError,
  PeerStalledError,
  PeerProtocolError,
} from '../core/index.ts'
