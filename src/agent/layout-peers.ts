import { askAgents, askTrackers, type DocumentPeers } from '../catalog/index.ts'
import type { LayoutPeers } from '../layouts/index.ts'
import type { Logger } from '../telemetry/index.ts'

/** Asks over the documents protocol how a blob is cut. */
export function layoutPeers(peers: DocumentPeers, logger: Logger): LayoutPeers {
  return {
    async ofTrackers(question, options) {
      return (await askTrackers(peers, { kind: 'layout', ...question }, options, logger))?.layout
    },
    async *ofAgents(question, options) {
      for await (const { layout } of askAgents(peers, { kind: 'layout', ...question }, options, logger)) yield layout
    },
  }
}
