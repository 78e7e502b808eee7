import { cpus, release, totalmem } from 'node:os'
import { version } from '../../src/util/index.ts'

/** Where figures were measured: without it they cannot be compared. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly node: string
  readonly shoal: string
}

/** This machine. */
export function describeMachine(): Machine {
  const cores = cpus()
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryBytes: totalmem(),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    shoal: version,
  }
}
