import { type AdminPrefetch, type AdminPullOptions, type AdminServer, type Health, startAdmin } from '../admin/index.ts'
import { type Config, limitsDocument } from '../config/index.ts'
import { type AbortOptions, ShoalError, systemClock } from '../core/index.ts'
import { parsePlatform } from '../oci/index.ts'
import { type PrefetchEvent, type PullEvent, prefetch, pullImage } from '../prefetch/index.ts'
import { statusOf } from './status.ts'
import type { ProcessComponents, SwarmMember } from './swarm-member.ts'

/** A running agent or tracker. */
export interface RunningProcess {
  readonly peerId: string
  /** `host:port` of each listener of the mirror; none in a tracker. */
  readonly mirrorAddresses: readonly string[]
  readonly adminAddress: string
  /** Finishes what is under way within the configured time, then ends everything. */
  stop(): Promise<void>
}

/** Starts the admin server over what `member` is and does. `ready` gives the reasons against sending clients here. */
export async function startAdminFor(
  config: Config,
  member: SwarmMember,
  components: ProcessComponents,
  ready: () => readonly string[],
): Promise<AdminServer> {
  const startedMs = systemClock.now()
  const readiness = (): Health => ({ isHealthy: ready().length === 0, reasons: ready() })
  return await startAdmin(config.admin.listen, {
    ...components,
    live: () => ({ isHealthy: true, reasons: [] }),
    ready: readiness,
    status: () => statusOf(config, member, startedMs, systemClock, { ok: ready().length === 0, reasons: ready() }),
    limits: () => limitsDocument(member.limits.limits),
    changeLimits: (change) => member.limits.change(change),
    pull: (reference, options) => pullFor(member, reference, options),
    prefetch: (request, options) => prefetchFor(member, request, options),
  })
}

/** Tells the log, and so whoever started the process, where it can be reached. */
export function logStarted(
  member: SwarmMember,
  mirror: readonly string[],
  admin: string,
  { logger }: ProcessComponents,
): void {
  logger.info({ peerId: member.node.peerId, p2p: member.node.addresses(), mirror, admin }, 'started')
}

function pullFor(member: SwarmMember, reference: string, options: AdminPullOptions): AsyncIterable<PullEvent> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform)
  if (options.platform !== undefined && platform === undefined) {
    throw new ShoalError(`${options.platform} is not a platform such as linux/amd64`, {
      code: 'PLATFORM_INVALID',
      blame: 'caller',
      retryable: false,
    })
  }
  return pullImage(reference, member.prefetching.images, { platform, signal: options.signal })
}

function prefetchFor(
  { prefetching }: SwarmMember,
  request: AdminPrefetch,
  options: AbortOptions,
): AsyncIterable<PrefetchEvent> {
  return prefetch(request, { ...prefetching, clock: systemClock }, options)
}
