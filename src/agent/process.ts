import { type AdminPullOptions, type AdminServer, type Health, startAdmin } from '../admin/index.ts'
import { type Config, limitsDocument } from '../config/index.ts'
import { ShoalError, systemClock } from '../core/index.ts'
import { type Platform, parsePlatform } from '../oci/index.ts'
import { type ImagePullComponents, type PullEvent, pullImage } from '../prefetch/index.ts'
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

/** Node's names for machines where the OCI's differ. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

/** The platform images are chosen for on this machine. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch }
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
  const { catalog, scheduler, origin } = member
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform)
  if (options.platform !== undefined && platform === undefined) {
    throw new ShoalError(`${options.platform} is not a platform such as linux/amd64`, {
      code: 'PLATFORM_INVALID',
      blame: 'caller',
      retryable: false,
    })
  }
  const components: ImagePullComponents = {
    allows: (namespace) => origin.allows(namespace),
    resolveTag: async (at, tag, call) => await catalog.resolveTag(at, tag, call),
    manifest: async (origins, digest, call) => await catalog.manifest(origins, digest, call),
    open: async (blob, origins, call) => await scheduler.open(blob, { origins }, call),
    clock: systemClock,
    platform: hostPlatform(),
  }
  return pullImage(reference, components, { platform, signal: options.signal })
}
