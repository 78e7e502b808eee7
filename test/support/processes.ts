import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** How much of a child's output is kept: enough for the last minute of a chatty daemon, bounded whatever it writes. */
const OUTPUT_LIMIT_CHARS = 256 * 1024

/** How long a child may take over SIGTERM before it is killed. */
const GRACE_MS = 5_000

/** Pause between two readiness probes; short, since most daemons are up within a few of them. */
const PROBE_INTERVAL_MS = 25

export interface ChildInit {
  /** Name in error messages. */
  readonly name: string
  readonly command: string
  readonly args?: readonly string[]
  /** Put in front of the command line, for example to enter a network namespace. */
  readonly commandPrefix?: readonly string[]
  readonly cwd?: string
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
}

export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Deadline {
  readonly timeoutMs: number
}

/** Process groups that still run; ended hard when this process leaves without disposing of them. */
const liveGroups = new Set<number>()
process.on('exit', () => {
  for (const pid of liveGroups) signalGroup(pid, 'SIGKILL')
})
// The test runner ends a file that ran out of time with SIGTERM, a person ends one with SIGINT: let the exit hook run.
for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  process.once(signal, () => {
    if (process.listenerCount(signal) === 0) process.exit(code)
  })
}

/** A child process in a process group of its own. Disposing of it ends the whole group: TERM, then KILL. */
export class Child implements AsyncDisposable {
  readonly name: string
  readonly pid: number
  readonly #process: ChildProcess
  readonly #exit: Promise<ExitStatus>
  readonly #watchers = new Set<(line: string) => void>()
  #output = ''
  #partial: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' }
  #status: ExitStatus | undefined

  private constructor(name: string, process: ChildProcess, pid: number) {
    this.name = name
    this.pid = pid
    this.#process = process
    this.#exit = new Promise((resolve) => {
      process.once('close', (code, signal) => {
        liveGroups.delete(pid)
        this.#status = { code, signal }
        resolve(this.#status)
      })
    })
    process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#take('stdout', text))
    process.stderr?.setEncoding('utf8').on('data', (text: string) => this.#take('stderr', text))
  }

  /** Starts the program; throws when there is none of that name. */
  static async start(init: ChildInit): Promise<Child> {
    const [command = init.command, ...args] = [...(init.commandPrefix ?? []), init.command, ...(init.args ?? [])]
    const child = spawn(command, args, {
      cwd: init.cwd,
      env: { ...process.env, ...init.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', (cause) => reject(new Error(`${init.name} does not start: ${cause.message}`, { cause })))
    })
    const pid = child.pid as number // set once 'spawn' was emitted
    liveGroups.add(pid)
    return new Child(init.name, child, pid)
  }

  /** The last part of what it wrote on both streams, in order of arrival. */
  get output(): string {
    return this.#output
  }

  get isRunning(): boolean {
    return this.#status === undefined
  }

  /** How it ended; waits for that without ending it. */
  async exited(): Promise<ExitStatus> {
    return await this.#exit
  }

  /** The first line, already written or still to come, that `pattern` matches. */
  async waitForLine(pattern: RegExp, { timeoutMs }: Deadline): Promise<string> {
    const seen = this.#output.split('\n').find((line) => pattern.test(line))
    if (seen !== undefined) return seen
    const found = Promise.withResolvers<string>()
    const watch = (line: string): void => {
      if (pattern.test(line)) found.resolve(line)
    }
    this.#watchers.add(watch)
    try {
      return await this.#within(found.promise, timeoutMs, `a line like ${pattern}`)
    } finally {
      this.#watchers.delete(watch)
    }
  }

  /** Has `watch` hear of every line from now on, until disposed of. */
  watchLines(watch: (line: string) => void): Disposable {
    this.#watchers.add(watch)
    return { [Symbol.dispose]: () => this.#watchers.delete(watch) }
  }

  /** Waits until `isReady` says so, asking again and again; a probe that throws counts as not ready. */
  async waitUntil(isReady: () => Promise<boolean>, { timeoutMs }: Deadline): Promise<void> {
    const stopped = new AbortController()
    const probing = (async () => {
      while (!stopped.signal.aborted && !(await isReady().catch(() => false))) await sleep(PROBE_INTERVAL_MS)
    })()
    try {
      await this.#within(probing, timeoutMs, 'readiness')
    } finally {
      stopped.abort()
    }
  }

  /** Sends `signal` to the child alone, as a crash or an orchestrator would. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Ends the group and waits for the end: TERM, after `graceMs` KILL. Does nothing when it has ended. */
  async stop(graceMs: number = GRACE_MS): Promise<ExitStatus> {
    if (this.#status !== undefined) return this.#status
    signalGroup(this.pid, 'SIGTERM')
    const timer = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), graceMs)
    try {
      return await this.#exit
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the group at once, giving it no chance to tidy up, and waits for the end. */
  async kill(): Promise<ExitStatus> {
    if (this.#status === undefined) signalGroup(this.pid, 'SIGKILL')
    return await this.#exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #within<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(this.#failure(`no ${what} within ${timeoutMs} ms`)), timeoutMs)
    const ended = this.#exit.then(({ code, signal }) => {
      throw this.#failure(`ended with ${signal ?? `code ${code}`} before ${what}`)
    })
    try {
      return await Promise.race([work, late.promise, ended])
    } finally {
      clearTimeout(timer)
      ended.catch(() => undefined)
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.name}: ${what}; it wrote:\n${this.#output.slice(-4_000)}`)
  }

  #take(stream: 'stdout' | 'stderr', text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_LIMIT_CHARS)
    const lines = (this.#partial[stream] + text).split('\n')
    this.#partial[stream] = (lines.pop() ?? '').slice(-OUTPUT_LIMIT_CHARS)
    for (const line of lines) for (const watch of this.#watchers) watch(line)
  }
}

export interface RunResult {
  readonly code: number | null
  /** Both streams together. */
  readonly output: string
}

/** Runs a program to its end; one that outlives `timeoutMs` is ended and counts as failed with code null. */
export async function run(
  command: string,
  args: readonly string[],
  options: Deadline & Partial<ChildInit>,
): Promise<RunResult> {
  await using child = await Child.start({ name: command, ...options, command, args })
  const timer = setTimeout(() => void child.kill(), options.timeoutMs)
  const { code } = await child.exited()
  clearTimeout(timer)
  return { code, output: child.output }
}

/** Like `run`, but throws with the program's output unless it ends with code 0; returns the output. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: Deadline & Partial<ChildInit>,
): Promise<string> {
  const { code, output } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with code ${code}:\n${output.slice(-4_000)}`)
  return output
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
