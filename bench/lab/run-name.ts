import { readFileSync } from 'node:fs'

const PREFIX = 'shoal-bench'

/**
 * Names of everything that a run of the load generator makes on the machine begin with this: the pid of its process, and
 * when that started, which tells it from a later process of the same pid.
 */
export const RUN_NAME = `${PREFIX}-${process.pid}-${startTicks(process.pid)}`

/** What the run's temporary folders are called behind `shoal-`, which `tempFolder` puts in front. */
export const RUN_FOLDER = RUN_NAME.slice('shoal-'.length)

/** The name of the run that something called `name` belongs to, `undefined` when no run made it. */
export function runOf(name: string): string | undefined {
  return new RegExp(`^${PREFIX}-\\d+-\\d+(?=-)`).exec(name)?.[0]
}

/** Whether the process of that run is still there. */
export function isRunning(runName: string): boolean {
  const [, pid = '', ticks] = /-(\d+)-(\d+)$/.exec(runName) ?? []
  return startTicks(Number(pid)) === ticks
}

/** When a process started, in clock ticks since boot; `undefined` when there is none. */
function startTicks(pid: number): string | undefined {
  try {
    // proc(5): the name of the program is in parentheses and may itself contain spaces; starttime is field 22.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
