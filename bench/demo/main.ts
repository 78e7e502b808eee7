/**
 * `npm run demo [-- --keep]`: a cluster on this machine. One origin registry with an image of real programs, one tracker
 * and four agents, each agent a process of its own; all four pull the image at the same time, as containerd would.
 * Needs neither root nor any program but Node.js.
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import {
  formatBytes,
  formatDuration,
  formatShare,
  ProgressBoard,
  processTerminal,
  table,
} from '../../src/cli/terminal/index.ts'
import { buildImage } from '../../test/support/images.ts'
import type { BytesBySource, ShoalProcess } from '../../test/support/shoal-process.ts'
import { Swarm } from '../../test/support/swarm.ts'
import { type PullResult, pullAsContainerd } from '../lab/containerd-pull.ts'
import { EmbeddedRegistry } from './embedded-registry.ts'

const AGENTS = 4
const REPOSITORY = 'demo/app'
const TAG = 'v1'

/** 400 Mbit/s: what one registry's uplink may give a cluster, and slow enough to watch. */
const ORIGIN_BYTES_PER_SECOND = 50_000_000

/** Longest that the pulls may take together before the demo gives up. */
const PULL_TIMEOUT_MS = 120_000

interface Row extends PullResult, Pick<ShoalProcess, 'name'> {
  readonly seconds: number
  readonly bySource: BytesBySource
}

const terminal = processTerminal()
const { values: flags } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())

async function main(scope: AsyncDisposableStack, signal: AbortSignal): Promise<void> {
  say('building an image of real programs (kept for the next time)')
  const image = await buildImage('medium')
  const registryInit = { image, repository: REPOSITORY, tag: TAG, bytesPerSecond: ORIGIN_BYTES_PER_SECOND }
  const origin = scope.use(await EmbeddedRegistry.start(registryInit))
  say(`origin registry at ${origin.host}, ${formatBytes(ORIGIN_BYTES_PER_SECOND)}/s for everybody together`)
  const swarm = scope.use(await Swarm.start({ trackers: 1, agents: AGENTS, origins: [origin.host] }))
  signal.throwIfAborted()
  const layers = `${image.layers.length} layers, ${formatBytes(image.blobBytes)}`
  say(`one tracker and ${AGENTS} agents are up; all pull ${origin.host}/${REPOSITORY}:${TAG} (${layers}) at once\n`)

  const rows = await pullEverywhere(
    swarm.agents,
    origin.host,
    AbortSignal.any([signal, AbortSignal.timeout(PULL_TIMEOUT_MS)]),
  )
  terminal.out(`\n${resultTable(rows)}\n`)
  say(`every digest is right; the origin served ${formatBytes(origin.blobBytes)},`)
  const copies = (origin.blobBytes / image.blobBytes).toFixed(2)
  say(`${copies} copies of the image for ${AGENTS} nodes; without Shoal it would have been ${AGENTS}`)
  if (!flags.keep) return
  terminal.out(`\n${tryLines(swarm, origin.host)}\n\nCtrl-C ends it.\n`)
  await once(signal, 'abort')
}

async function pullEverywhere(agents: readonly ShoalProcess[], namespace: string, signal: AbortSignal): Promise<Row[]> {
  const board = new ProgressBoard(terminal)
  try {
    return await Promise.all(
      agents.map(async (agent) => {
        const onProgress = (doneBytes: number, totalBytes: number): void =>
          board.set(agent.name, { label: agent.name, doneBytes, totalBytes })
        const startMs = performance.now()
        const hosts = [{ url: agent.mirrorUrl, namespace }, { url: `http://${namespace}` }]
        const result = await pullAsContainerd({ hosts, repository: REPOSITORY, tag: TAG, signal, onProgress })
        const seconds = (performance.now() - startMs) / 1_000
        const { bytesBySource } = await agent.status()
        return { ...result, seconds, name: agent.name, bySource: bytesBySource }
      }),
    )
  } finally {
    board.stop()
  }
}

function resultTable(rows: readonly Row[]): string {
  const bytes = (header: string, value: (row: Row) => number) =>
    ({ header, value: (row: Row) => formatBytes(value(row)), align: 'right' }) as const
  return table(rows, [
    { header: 'NODE', value: (row) => row.name },
    { header: 'TIME', value: (row) => formatDuration(row.seconds), align: 'right' },
    bytes('FROM ORIGIN', (row) => row.bySource.origin + row.directBytes),
    bytes('FROM TRACKER', (row) => row.bySource.tracker),
    bytes('FROM PEERS', (row) => row.bySource.peers),
    { header: 'PEERS SHARE', value: (row) => formatShare(row.bySource.peers, row.blobBytes), align: 'right' },
  ])
}

/** Commands for a second terminal. */
function tryLines({ agents: [agent] }: Swarm, namespace: string): string {
  if (agent === undefined) return ''
  return [
    'It keeps running. Try in another terminal:',
    `  src/shoal status --admin ${agent.adminUrl}`,
    `  curl -s ${agent.adminUrl}/metrics | grep ^shoal_`,
    `  curl -sI '${agent.mirrorUrl}/v2/${REPOSITORY}/manifests/${TAG}?ns=${namespace}'`,
  ].join('\n')
}

function say(line: string): void {
  terminal.out(`${line}\n`)
}

const scope = new AsyncDisposableStack()
try {
  await main(scope, interrupted.signal)
} catch (error) {
  if (!interrupted.signal.aborted)
    terminal.err(`the demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = interrupted.signal.aborted ? 130 : 1
} finally {
  await scope.disposeAsync()
}
