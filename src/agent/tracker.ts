import { type Config, formatListenAddress } from '../config/index.ts'
import { logStarted, type RunningProcess, startAdminFor } from './process.ts'
import { type ProcessComponents, startSwarmMember } from './swarm-member.ts'

/** Starts a tracker: a member of the swarm that seeds and vouches, without a mirror. On failure nothing is left running. */
export async function startTracker(config: Config, components: ProcessComponents): Promise<RunningProcess> {
  const member = await startSwarmMember(config, components)
  try {
    const admin = await startAdminFor(config, member, components, () => [])
    const adminAddress = formatListenAddress(admin)
    logStarted(member, [], adminAddress, components)
    return {
      peerId: member.node.peerId,
      mirrorAddresses: [],
      adminAddress,
      stop: async () => {
        await admin.stop()
        await member.stop()
      },
    }
  } catch (error) {
    await member.stop()
    throw error
  }
}
