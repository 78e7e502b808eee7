import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Place } from './place.ts'
import type { Call, FromWorker } from './worker-messages.ts'

export interface WorkerInit {
  readonly place: Place
  /** File that calls `serveCalls`. */
  readonly script: string
}

/** How long a worker may take to end by itself; it has nothing to finish. */
const GRACE_MS = 2_000

/** How much of what it writes is kept for error messages. */
const OUTPUT_LIMIT_CHARS = 16 * 1024

/**
 * A small helper process of the lab, called over a channel of Node.js. It ends by itself when this process does, however
 * that ends.
 */
export class Worker implements AsyncDisposable {
  readonly #name: string
  readonly #process: ChildProcess
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #ended: Promise<unknown>
  #onProgress: (value: number) => void = () => undefined
  #callCount = 0
  #output = ''

  private constructor(name: string, child: ChildProcess) {
    this.#name = name
    this.#process = child
    // Not `close`: that does not come once the channel was closed from here.
    this.#ended = once(child, 'exit')
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-OUTPUT_LIMIT_CHARS)
    })
    child.on('message', (message) => this.#take(message as FromWorker))
    child.once('exit', () => this.#failAll())
  }

  /** Starts the script with this Node.js at `place`. */
  static async start({ place, script }: WorkerInit): Promise<Worker> {
    const commandLine = [...place.commandPrefix, process.execPath, '--max-semi-space-size=1', script]
    const [command = process.execPath, ...args] = commandLine
    // Not in this process's group: Ctrl-C is for the one who tidies up.
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true })
    await once(child, 'spawn')
    return new Worker(`${script.replace(/^.*\//, '')} on ${place.name}`, child)
  }

  /** Of the process at that place: what puts it there becomes it. */
  get pid(): number {
    return this.#process.pid as number // set since it was spawned
  }

  /** Has `method` run there. Rejects with what it throws, when the worker ends, and when the signal is aborted. */
  async call<Result>(method: string, params: unknown, options: CallOptions): Promise<Result> {
    options.signal.throwIfAborted()
    const id = ++this.#callCount
    const answer = Promise.withResolvers<unknown>()
    const abort = (): void => answer.reject(options.signal.reason)
    options.signal.addEventListener('abort', abort, { once: true })
    this.#calls.set(id, answer)
    this.#onProgress = options.onProgress ?? (() => undefined)
    try {
      this.#send({ id, method, params })
      return (await answer.promise) as Result
    } finally {
      this.#calls.delete(id)
      options.signal.removeEventListener('abort', abort)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.connected) this.#process.disconnect()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), GRACE_MS)
    await this.#ended
    clearTimeout(timer)
  }

  #send(call: Call): void {
    if (this.#process.connected) this.#process.send(call)
    else this.#failAll()
  }

  #take(message: FromWorker): void {
    if ('progress' in message) this.#onProgress(message.progress)
    else if ('error' in message) this.#calls.get(message.id)?.reject(new Error(`${this.#name}: ${message.error}`))
    else this.#calls.get(message.id)?.resolve(message.result)
  }

  #failAll(): void {
    const failure = new Error(`${this.#name} has ended; it wrote:\n${this.#output}`)
    for (const call of this.#calls.values()) call.reject(failure)
  }
}

export interface CallOptions {
  readonly signal: AbortSignal
  /** Hears of progress while this call is the worker's latest. */
  readonly onProgress?: (value: number) => void
}
