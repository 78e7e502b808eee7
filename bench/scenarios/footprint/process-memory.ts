import { readFile } from 'node:fs/promises'

/** Resident memory of a process. */
export interface ProcessMemory {
  readonly rssMiB: number
  /** The most it ever had. */
  readonly peakRssMiB: number
}

/** What the kernel says of a process now (proc_pid_status(5)). */
export async function memoryOf(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1')
  return { rssMiB: field(status, 'VmRSS'), peakRssMiB: field(status, 'VmHWM') }
}

/** When a process was started, by the clock of `Date.now()`, to the hundredth of a second the kernel keeps. */
export async function startedAtMs(pid: number): Promise<number> {
  const [stat, uptime] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'latin1'),
    readFile('/proc/uptime', 'latin1'),
  ])
  // Field 22; the second field is a name that may hold anything, so counting begins behind it.
  const startTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  return Date.now() - (Number(uptime.split(' ')[0]) * 1_000 - startTicks * 10)
}

function field(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024
}
