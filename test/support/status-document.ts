import { PEER_ID } from './config-sources.ts'

/** What an agent in the middle of a pull answers at `GET /status`. */
export function statusDocument() {
  return {
    peerId: PEER_ID,
    role: 'agent',
    version: '0.1.0',
    uptimeSeconds: 3720,
    zone: 'z1',
    ready: { ok: true, reasons: [] as string[] },
    peers: [{ id: PEER_ID, role: 'tracker', zone: '', bytesIn: 250e6, bytesOut: 1e6 }],
    layers: [
      {
        digest: `sha256:${'a'.repeat(64)}`,
        sizeBytes: 1e6,
        heldBytes: 1e6,
        isComplete: true,
        state: 'idle',
        readers: 0,
        peers: 0,
      },
      {
        digest: `sha256:${'b'.repeat(64)}`,
        sizeBytes: 2e6,
        heldBytes: 1e6,
        isComplete: false,
        state: 'downloading',
        readers: 1,
        peers: 3,
      },
    ],
    bytesBySource: { store: 0, peers: 750e6, tracker: 150e6, origin: 100e6 },
    bytesByZone: { z1: 700e6, z2: 200e6 } as Record<string, number>,
    store: { usedBytes: 1e9, quotaBytes: 10e9, blobs: 2 },
    somethingNewer: true,
  }
}
