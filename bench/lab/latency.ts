import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child, run, runOk } from '../../test/support/processes.ts'
import { tempFolder } from '../../test/support/scope.ts'
import { UsageError } from '../usage-error.ts'
import type { Place } from './place.ts'
import { RUN_FOLDER } from './run-name.ts'

const SOURCE = fileURLToPath(new URL('packet-delay.c', import.meta.url))

/** Compiling one small file. */
const COMPILE_TIMEOUT_MS = 30_000

const COMMAND_TIMEOUT_MS = 20_000

/** Longest until the delaying process says that it has its queue. */
const START_TIMEOUT_MS = 10_000

/** Holds the packets that arrive at a host for a fixed time. Stands in for `netem`, which many kernels come without. */
export class Latency implements AsyncDisposable {
  readonly #program: string
  readonly #owned: AsyncDisposableStack

  private constructor(program: string, owned: AsyncDisposableStack) {
    this.#program = program
    this.#owned = owned
  }

  /** Compiles the program; throws `UsageError` where that cannot be done. */
  static async prepare(): Promise<Latency> {
    if (!isInstalled('gcc')) throw new UsageError('--latency needs gcc, with which its packet delay is compiled')
    if (iptables() === undefined) throw new UsageError('--latency needs iptables')
    await using owned = new AsyncDisposableStack()
    const folder = owned.use(await tempFolder(RUN_FOLDER))
    const program = join(folder.path, 'packet-delay')
    const { code, output } = await run('gcc', ['-O2', '-o', program, SOURCE], { timeoutMs: COMPILE_TIMEOUT_MS })
    if (code !== 0) throw new UsageError(`--latency: its packet delay does not compile here:\n${output}`)
    return new Latency(program, owned.move())
  }

  /** Delays everything that arrives at `place` from now on. */
  async add(place: Place, latencyMs: number): Promise<void> {
    const [enter = 'nsenter', ...prefix] = place.commandPrefix
    const child = await Child.start({
      name: `delay of ${place.name}`,
      command: enter,
      args: [...prefix, this.#program, '0', String(latencyMs)],
    })
    this.#owned.use(child)
    await child.waitForLine(/^ready$/, { timeoutMs: START_TIMEOUT_MS })
    const rule = [
      '-t',
      'mangle',
      '-A',
      'PREROUTING',
      '-i',
      'eth0',
      '-j',
      'NFQUEUE',
      '--queue-num',
      '0',
      '--queue-bypass',
    ]
    await runOk(enter, [...prefix, iptables() ?? 'iptables', ...rule], { timeoutMs: COMMAND_TIMEOUT_MS })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** The variant that speaks to xt_NFQUEUE comes first: not every kernel has the queue expression of nftables. */
function iptables(): string | undefined {
  return ['iptables-legacy', 'iptables'].find(isInstalled)
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => existsSync(join(folder, program)))
}
