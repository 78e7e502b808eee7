import { UsageError } from './errors.ts'
import type { PrefetchEvent } from './prefetch-event.ts'
import type { PrefetchProgress } from './status-view.ts'
import { formatBytes, formatShare, shorten, table, type Terminal } from './terminal/index.ts'

/** What `--nodes` says, as the agent is asked: `all`, a number, or `zone=NAME`. Throws a UsageError. */
export function parseNodes(text: string): 'all' | number | { readonly zone: string } {
  if (text === 'all') return text
  const zone = /^zone=(.+)$/s.exec(text)?.[1]
  if (zone !== undefined) return { zone }
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 10_000) return Number(text)
  throw new UsageError(`--nodes ${JSON.stringify(text)}: say all, a number from 1 to 10000, or zone=NAME`)
}

/** How many nodes are how far: `3 of 5 done, 1 running, 1 failed`. */
export function countsText({ waiting, running, done, failed, unreachable }: PrefetchProgress['nodes']): string {
  const others = Object.entries({ running, waiting, failed, unreachable }).filter(([, count]) => count > 0)
  const rest = others.map(([name, count]) => `, ${count} ${name}`).join('')
  return `${done} of ${done + running + waiting + failed + unreachable} done${rest}`
}

/** The same with bytes, as a line for where nobody watches. */
export function progressText({ nodes, heldBytes, sizeBytes }: PrefetchProgress): string {
  return `${countsText(nodes)}: ${formatBytes(heldBytes)} of ${formatBytes(sizeBytes)} (${formatShare(heldBytes, sizeBytes)})`
}

/** Who does not hold the image, and why; empty when there is nothing to say. */
export function failuresText(done: PrefetchEvent & { type: 'done' }, terminal: Terminal): string {
  const { nodes, failures, missing } = done
  const unlisted = nodes.failed + nodes.unreachable - failures.length
  const lines = [
    ...(failures.length === 0 ? [] : [failureTable(failures, terminal)]),
    ...(unlisted > 0 ? [`… and ${unlisted} more\n`] : []),
    ...(missing > 0 ? [`shoal: ${missing} nodes fewer were found than asked for\n`] : []),
    ...(nodes.done + nodes.failed + nodes.unreachable === 0 ? ['shoal: no node was found that is meant\n'] : []),
  ]
  return lines.join('')
}

function failureTable(failures: (PrefetchEvent & { type: 'done' })['failures'], terminal: Terminal): string {
  return table(failures, [
    { header: terminal.paint('dim', 'NODE'), value: ({ name }) => name || '?' },
    { header: terminal.paint('dim', 'PEER'), value: ({ peer }) => shorten(peer, 16) },
    { header: terminal.paint('dim', 'WHY'), value: ({ reason }) => reason },
  ])
}
