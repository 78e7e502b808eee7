import type { StatusView } from './status-view.ts'
import { formatBytes, formatShare, table, type Terminal } from './terminal/index.ts'

/** Which level gave clients their chunks, and how soon; nothing before the first. */
export function cacheTable({ cache }: StatusView, terminal: Terminal): string[] {
  const hits = cache.reduce((sum, level) => sum + level.hits, 0)
  if (hits === 0) return []
  return [
    table(cache, [
      { header: terminal.paint('dim', 'CHUNKS FROM'), value: ({ level }) => level },
      { header: terminal.paint('dim', 'SIZE'), value: sizeOf, align: 'right' },
      { header: terminal.paint('dim', 'HITS'), value: (level) => String(level.hits), align: 'right' },
      { header: '', value: (level) => formatShare(level.hits, hits), align: 'right' },
      { header: terminal.paint('dim', 'P50'), value: (level) => formatTime(level.hits, level.p50Ms), align: 'right' },
      { header: terminal.paint('dim', 'P99'), value: (level) => formatTime(level.hits, level.p99Ms), align: 'right' },
    ]),
  ]
}

function sizeOf({ usedBytes, limitBytes }: StatusView['cache'][number]): string {
  if (usedBytes === undefined || limitBytes === undefined) return '-'
  return `${formatBytes(usedBytes)} of ${formatBytes(limitBytes)}`
}

/** Three digits tell reads from memory and from a registry apart. */
function formatTime(hits: number, ms: number): string {
  if (hits === 0) return '-'
  return ms < 1_000 ? `${ms.toPrecision(ms < 1 ? 2 : 3)} ms` : `${(ms / 1_000).toPrecision(3)} s`
}
