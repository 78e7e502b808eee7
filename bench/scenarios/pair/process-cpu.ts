import { readFile } from 'node:fs/promises'

/** Ticks of a second in /proc/PID/stat: USER_HZ, which Linux has fixed at 100 for what programs see. */
const TICKS_PER_SECOND = 100

/** User and system time of a process so far, all its threads included (proc_pid_stat(5), fields 14 and 15). */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const [userTicks, systemTicks] = fieldsOf(await readFile(`/proc/${pid}/stat`, 'latin1')).slice(11, 13)
  return (Number(userTicks) + Number(systemTicks)) / TICKS_PER_SECOND
}

/** The fields from the third on: the second is the name in parentheses, which may hold anything, parentheses too. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
