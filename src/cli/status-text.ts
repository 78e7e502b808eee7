import { cacheTable } from './cache-text.ts'
import { completionLine, completionOf } from './completion-text.ts'
import { countsText } from './prefetch-text.ts'
import type { BytesBySource, StatusView } from './status-view.ts'
import {
  bar,
  type Column,
  formatBytes,
  formatDuration,
  formatShare,
  shorten,
  table,
  type Terminal,
} from './terminal/index.ts'

/** Layers shown before the rest is only counted; a node may hold thousands. */
const MAX_LAYERS = 20

/** Columns of a progress bar in the table of layers. */
const BAR_WIDTH = 12

/** The state of one agent as a page of text. */
export function statusText(view: StatusView, terminal: Terminal): string {
  return [
    head(view, terminal),
    sources(view.bytesBySource, terminal),
    ...cacheTable(view, terminal),
    ...zones(view, terminal),
    ...prefetches(view, terminal),
    layers(view, terminal),
    peers(view, terminal),
  ].join('\n')
}

function head(view: StatusView, terminal: Terminal): string {
  const zone = view.zone === '' ? '' : `, zone ${view.zone}`
  const ready = view.ready.ok
    ? terminal.paint('green', 'ready')
    : `${terminal.paint('red', 'not ready')}: ${view.ready.reasons.join('; ')}`
  const { usedBytes, quotaBytes, blobs } = view.store
  return [
    `${terminal.paint('bold', `${view.role} ${view.peerId}`)}${zone}, version ${view.version}, up ${formatDuration(view.uptimeSeconds)}, ${ready}`,
    `store: ${blobs} layers, ${formatBytes(usedBytes)} of ${formatBytes(quotaBytes)} (${formatShare(usedBytes, quotaBytes)})`,
    ...limits(view),
    ...completionLine(view.completion),
    '',
  ].join('\n')
}

function limits(view: StatusView): string[] {
  const set = Object.entries(view.limits).map(([name, rate]) => `${name} ${rate}`)
  return set.length === 0 ? [] : [`limits: ${set.join(', ')}`]
}

/** Where the bytes that clients got came from, with shares; `own` is what the node's own store is called. */
export function sources(bytes: BytesBySource, terminal: Terminal, own = 'this node'): string {
  const total = bytes.store + bytes.peers + bytes.tracker + bytes.origin
  const rows = [
    { name: own, bytes: bytes.store },
    { name: 'other agents', bytes: bytes.peers },
    { name: 'trackers', bytes: bytes.tracker },
    { name: 'origin registries', bytes: bytes.origin },
  ]
  return table(rows, [
    { header: terminal.paint('dim', 'BYTES FROM'), value: (row) => row.name },
    { header: '', value: (row) => formatBytes(row.bytes), align: 'right' },
    { header: '', value: (row) => formatShare(row.bytes, total), align: 'right' },
    { header: '', value: (row) => bar(total === 0 ? 0 : row.bytes / total, BAR_WIDTH) },
  ])
}

/** What crossed into this zone, shown where anybody says a zone. */
function zones({ zone, bytesByZone }: StatusView, terminal: Terminal): string[] {
  const rows = Object.entries(bytesByZone).map(([from, bytes]) => ({ from, bytes }))
  if (rows.every(({ from }) => from === '')) return []
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  const nameOf = (from: string) => (from === '' ? 'not said' : from === zone ? `${from} (this one)` : from)
  return [
    table(
      rows.toSorted((a, b) => b.bytes - a.bytes),
      [
        { header: terminal.paint('dim', 'PEERS OF ZONE'), value: (row) => nameOf(row.from) },
        { header: '', value: (row) => formatBytes(row.bytes), align: 'right' },
        { header: '', value: (row) => formatShare(row.bytes, total), align: 'right' },
      ],
    ),
  ]
}

/** Orders to prefetch; at a relay with those nodes only that it hears of. */
function prefetches(view: StatusView, terminal: Terminal): string[] {
  if (view.prefetches.length === 0) return []
  return [
    table(view.prefetches, [
      { header: terminal.paint('dim', 'PREFETCH'), value: ({ id }) => id.slice(0, 8) },
      { header: terminal.paint('dim', 'BEGUN'), value: ({ isStarter }) => (isStarter ? 'here' : 'elsewhere') },
      { header: terminal.paint('dim', 'NODES'), value: (order) => countsText(order.nodes) },
      { header: '', value: ({ heldBytes, sizeBytes }) => formatShare(heldBytes, sizeBytes), align: 'right' },
      {
        header: terminal.paint('dim', 'STATE'),
        value: ({ isOver }) => (isOver ? 'ended' : terminal.paint('yellow', 'running')),
      },
      { header: terminal.paint('dim', 'IMAGE'), value: ({ image }) => image },
    ]),
  ]
}

function layers(view: StatusView, terminal: Terminal): string {
  if (view.layers.length === 0) return 'no layers yet: they appear with the first pull\n'
  const urgentFirst = view.layers.toSorted(
    (a, b) => Number(b.state === 'downloading') - Number(a.state === 'downloading'),
  )
  const columns: Column<StatusView['layers'][number]>[] = [
    { header: terminal.paint('dim', 'LAYER'), value: (layer) => shortDigest(layer.digest) },
    { header: terminal.paint('dim', 'SIZE'), value: (layer) => formatBytes(layer.sizeBytes), align: 'right' },
    { header: terminal.paint('dim', 'HELD'), value: (layer) => bar(heldShare(layer), BAR_WIDTH) },
    {
      header: '',
      value: (layer) => (layer.isComplete ? '100 %' : formatShare(layer.heldBytes, layer.sizeBytes)),
      align: 'right',
    },
    {
      header: terminal.paint('dim', 'STATE'),
      value: (layer) => stateOf(layer, view, terminal),
    },
    { header: terminal.paint('dim', 'READERS'), value: (layer) => String(layer.readers), align: 'right' },
    { header: terminal.paint('dim', 'PEERS'), value: (layer) => String(layer.peers), align: 'right' },
  ]
  const hidden = urgentFirst.length - MAX_LAYERS
  return table(urgentFirst.slice(0, MAX_LAYERS), columns) + (hidden > 0 ? `… and ${hidden} more\n` : '')
}

function stateOf(layer: StatusView['layers'][number], { completion }: StatusView, terminal: Terminal): string {
  const completing = completionOf(completion, layer.digest)
  if (layer.state === 'downloading' && completing !== 'completing') return terminal.paint('yellow', 'downloading')
  return completing ?? 'idle'
}

function peers(view: StatusView, terminal: Terminal): string {
  if (view.peers.length === 0) return 'no peers: this node pulls from the registries alone\n'
  return table(view.peers, [
    { header: terminal.paint('dim', 'PEER'), value: (peer) => shorten(peer.id, 16) },
    { header: terminal.paint('dim', 'ROLE'), value: (peer) => peer.role },
    { header: terminal.paint('dim', 'ZONE'), value: (peer) => peer.zone || '-' },
    { header: terminal.paint('dim', 'RECEIVED'), value: (peer) => formatBytes(peer.bytesIn), align: 'right' },
    { header: terminal.paint('dim', 'SENT'), value: (peer) => formatBytes(peer.bytesOut), align: 'right' },
  ])
}

function heldShare(layer: StatusView['layers'][number]): number {
  return layer.sizeBytes === 0 ? 1 : layer.heldBytes / layer.sizeBytes
}

/** Twelve hex digits, as docker shows them. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12)
}
