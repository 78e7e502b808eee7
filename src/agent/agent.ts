import { type Config, formatListenAddress } from '../config/index.ts'
import { systemClock } from '../core/index.ts'
import { DEFAULT_BUDGETS, MirrorServer, OriginAccessGate } from '../mirror/index.ts'
import { SchedulerBlobSource } from './blob-source.ts'
import { CatalogDocuments } from './catalog-documents.ts'
import { logStarted, type RunningProcess, startAdminFor } from './process.ts'
import { type ProcessComponents, type SwarmMember, startSwarmMember } from './swarm-member.ts'

/** Starts an agent: a member of the swarm with a mirror in front. On failure nothing is left running. */
export async function startAgent(config: Config, components: ProcessComponents): Promise<RunningProcess> {
  const member = await startSwarmMember(config, components)
  try {
    return await startServers(config, member, components)
  } catch (error) {
    await member.stop()
    throw error
  }
}

async function startServers(
  config: Config,
  member: SwarmMember,
  components: ProcessComponents,
): Promise<RunningProcess> {
  const { mirror, gate } = makeMirror(config, member, components)
  await mirror.start()
  try {
    const isUp = { mirror: true }
    const admin = await startAdminFor(config, member, components, () => (isUp.mirror ? [] : ['the mirror is stopping']))
    const mirrorAddresses = mirror.addresses().map(formatListenAddress)
    const adminAddress = formatListenAddress(admin)
    logStarted(member, mirrorAddresses, adminAddress, components)
    return {
      peerId: member.node.peerId,
      mirrorAddresses,
      adminAddress,
      stop: async () => {
        isUp.mirror = false
        await mirror.stop()
        await gate.stop()
        await admin.stop()
        await member.stop()
      },
    }
  } catch (error) {
    await mirror.stop()
    throw error
  }
}

function makeMirror(config: Config, member: SwarmMember, { logger, metrics }: ProcessComponents) {
  const { catalog, origin, scheduler, store } = member
  const documents = new CatalogDocuments({ catalog, origin })
  const policies = new Map(config.registries.map(({ namespace, access }) => [namespace, access]))
  const gate = new OriginAccessGate(
    {
      policyOf: (namespace) => policies.get(namespace) ?? 'verify',
      ttlMs: config.access.ttlMs,
      staleMs: config.access.staleLimitMs,
    },
    {
      probe: {
        probe: async (at, subject, options) => await origin.probe(at, subject, options),
      },
      memory: {
        anonymousSince: (at) => store.access(at),
        noteAnonymous: (at) => store.noteAccess(at),
        forgetAnonymous: (at) => store.forgetAccess(at),
      },
      history: catalog,
      clock: systemClock,
      confirmation: documents,
    },
  )
  const mirror = new MirrorServer(
    {
      listeners: [
        ...config.mirror.listen,
        ...config.mirror.listeners.map(({ address, namespace }) => ({ ...address, namespace })),
      ],
      maxConnections: config.mirror.maxConnections,
      drainMs: config.timeouts.stopMs,
      allows: (namespace) => origin.allows(namespace),
      defaultNamespace: config.mirror.defaultNamespace,
      extraHeaders: config.mirror.namespaceHeaders,
      budgets: { containerd: { ...DEFAULT_BUDGETS.containerd, softMs: config.timeouts.firstByteMs } },
    },
    {
      blobs: new SchedulerBlobSource({ scheduler, catalog, store }),
      documents,
      history: catalog,
      gate,
      clock: systemClock,
      logger,
      metrics,
    },
  )
  return { mirror, gate }
}
