import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { EndCommand, EndReply } from './end-main.ts'
import type { Variant } from './variants.ts'

const MAIN = fileURLToPath(new URL('./end-main.ts', import.meta.url))

/** A gigabyte at the pace of a busy machine; past this an end hangs. */
const REPLY_TIMEOUT_MS = 300_000

/** As `src/shoal` starts agents: the collector's settings are half of what bytes cost. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--heap-growing-percent=100', '--disable-warning=ExperimentalWarning']

export interface EndInit {
  readonly variant: Variant
  readonly sizeBytes: number
  /** Where the serving end is; without it this is the serving end. */
  readonly address?: string
  readonly signal: AbortSignal
}

/** One end of a transport in a process of its own. */
export class EndProcess implements AsyncDisposable {
  /** How a pulling end comes here; empty at a pulling end. */
  readonly address: string
  readonly #child: ChildProcess
  readonly #signal: AbortSignal

  private constructor(child: ChildProcess, signal: AbortSignal, address: string) {
    this.#child = child
    this.#signal = signal
    this.address = address
  }

  /** Starts the process; a pulling end is connected when this resolves. */
  static async start({ variant, sizeBytes, address, signal }: EndInit): Promise<EndProcess> {
    const args = [variant, String(sizeBytes), ...(address === undefined ? [] : [address])]
    const child = fork(MAIN, args, { execArgv: NODE_FLAGS })
    try {
      const ready = await reply(child, 'ready', signal)
      return new EndProcess(child, signal, ready.address)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
  }

  /** User and system time of the process so far, all its threads included. */
  async cpuSeconds(): Promise<number> {
    return (await this.#ask({ kind: 'cpu' })).cpuSeconds
  }

  /** Has all chunks fetched, some at a time; the seconds that took. */
  async pull(): Promise<number> {
    return (await this.#ask({ kind: 'pull' })).seconds
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async #ask<Kind extends EndCommand['kind']>(command: { readonly kind: Kind }) {
    const answer = reply(this.#child, command.kind, this.#signal)
    this.#child.send(command)
    return await answer
  }
}

/** The next message of the process, which is a `kind`; throws when the process ends or takes too long instead. */
async function reply<Kind extends EndReply['kind']>(
  child: ChildProcess,
  kind: Kind,
  signal: AbortSignal,
): Promise<Extract<EndReply, { kind: Kind }>> {
  const over = new AbortController()
  const options = { signal: AbortSignal.any([signal, over.signal, AbortSignal.timeout(REPLY_TIMEOUT_MS)]) }
  try {
    const ended = once(child, 'exit', options).then(([code]) => {
      throw new Error(`an end of the transport ended with ${code} before it answered ${kind}`)
    })
    const [message] = (await Promise.race([once(child, 'message', options), ended])) as [EndReply]
    if (message.kind !== kind) throw new Error(`an end of the transport answered ${message.kind}, not ${kind}`)
    return message as Extract<EndReply, { kind: Kind }>
  } finally {
    over.abort()
  }
}
