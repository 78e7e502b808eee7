import closeWithGrace from 'close-with-grace'
import type { RunningProcess } from '../agent/index.ts'
import { type Config, warningsFor } from '../config/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { settleMemory } from './settle-memory.ts'
import type { Terminal } from './terminal/index.ts'
import { version } from '../util/index.ts'

/** Beyond the time that transfers get to finish: closing listeners, peers and files takes this long at the most. */
const CLOSING_MS = 5_000

/** It stops everything for a fifth of a second: not while readers that waited for the start are served. */
const SETTLE_AFTER_MS = 3_000

/**
 * Runs an agent or tracker until a signal, then stops it within `timeouts.stop`; a second signal ends the process at once.
 * A crash stops it in the same way and exits with 1. Resolves once it is up; the process then lives by its sockets.
 */
export async function runProcess(config: Config, terminal: Terminal): Promise<void> {
  const { createLogger, Metrics } = await import('../telemetry/index.ts')
  const logger = await createLogger({ ...config.log, name: 'shoal' })
  for (const warning of warningsFor(config)) logger.warn(warning)
  const starting = start(config, { logger, metrics: new Metrics() })
  const grace = closeWithGrace(
    {
      delay: config.timeouts.stopMs + CLOSING_MS,
      logger: false,
      onTimeout: () => logger.error('did not stop in time'),
    },
    async ({ err, signal }) => {
      if (err !== undefined) logger.fatal({ err }, 'crashed')
      else logger.info({ signal }, 'stopping')
      const running = await starting
      await running.stop()
      logger.info('stopped')
    },
  )
  try {
    const running = await starting
    setTimeout(settleMemory, SETTLE_AFTER_MS).unref()
    if (terminal.isInteractive) terminal.out(summary(config, running))
  } catch (error) {
    grace.uninstall()
    throw error
  }
}

/** libp2p and all that come with the agent are loaded only when there is one to run. */
async function start(
  config: Config,
  components: { readonly logger: Logger; readonly metrics: Metrics },
): Promise<RunningProcess> {
  const { startAgent, startTracker } = await import('../agent/index.ts')
  return config.role === 'agent' ? await startAgent(config, components) : await startTracker(config, components)
}

function summary(config: Config, { peerId, mirrorAddresses, adminAddress }: RunningProcess): string {
  const mirrors = mirrorAddresses.map((address) => `http://${address}`)
  const lines = [
    `shoal ${config.role} ${version} is up`,
    `  PeerId  ${peerId}`,
    ...(config.role === 'agent' ? [`  mirror  ${mirrors.join(' ')}`] : []),
    `  admin   http://${adminAddress}`,
    `  peers   ${config.p2p.listen.join(' ')}`,
    config.role === 'agent'
      ? `Next: shoal containerd configure --mirror ${mirrors[0] ?? 'URL'}, then pull an image`
      : `Next: start agents with --trackers /ip4/ADDRESS/tcp/PORT/p2p/${peerId}`,
  ]
  return `${lines.join('\n')}\n`
}
