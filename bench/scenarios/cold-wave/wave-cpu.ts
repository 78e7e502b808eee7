import type { Fleet } from '../../lab/fleet.ts'
import type { Lab } from '../../lab/lab.ts'
import { cpuSecondsOf } from '../pair/process-cpu.ts'

/** Who takes part in a wave: what is measured, and what it is measured with. */
const ROLES = ['agents', 'tracker', 'clients', 'origin'] as const

type Role = (typeof ROLES)[number]

/** CPU seconds by role, all processes of a role together. */
export type CpuSeconds = Readonly<Record<Role, number>>

/** User and system time of each process of a lab so far, by its pid. */
export class CpuSample {
  readonly #byRole: Readonly<Record<Role, ReadonlyMap<number, number>>>

  private constructor(byRole: Readonly<Record<Role, ReadonlyMap<number, number>>>) {
    this.#byRole = byRole
  }

  /** Looks at all processes that run; a baseline has no fleet. */
  static async take(lab: Lab, fleet: Fleet | undefined): Promise<CpuSample> {
    const running = (fleet?.nodes ?? []).filter(({ agent }) => agent.child.isRunning)
    const trackers = (fleet?.trackers ?? []).filter(({ child }) => child.isRunning)
    return new CpuSample({
      agents: await secondsByPid(running.map(({ agent }) => agent.child.pid)),
      tracker: await secondsByPid(trackers.map(({ child }) => child.pid)),
      clients: await secondsByPid(lab.nodes.map(({ client }) => client.pid)),
      origin: await secondsByPid([lab.origin.pid]),
    })
  }

  /** What was used since `earlier`, without the processes that did not run at both times. */
  since(earlier: CpuSample): CpuSeconds {
    const secondsOf = (role: Role): number =>
      this.#byRole[role].entries().reduce((sum, [pid, seconds]) => {
        const before = earlier.#byRole[role].get(pid)
        return before === undefined ? sum : sum + seconds - before
      }, 0)
    return Object.fromEntries(ROLES.map((role) => [role, secondsOf(role)])) as CpuSeconds
  }
}

async function secondsByPid(pids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  return new Map(await Promise.all(pids.map(async (pid) => [pid, await cpuSecondsOf(pid)] as const)))
}
