import { randomUUID } from 'node:crypto'
import { Containerd, type ProgramPlace } from './containerd.ts'
import { Child, type RunResult, run, runOk } from './processes.ts'
import { SHOAL } from './shoal-process.ts'
import { StargzSnapshotter } from './stargz-snapshotter.ts'

const CONFIGURE_TIMEOUT_MS = 20_000

/** A lazy pull of a small image takes under a second; stargz gives up a mount after 30. */
const PULL_TIMEOUT_MS = 60_000

/** Reading all of a small image with nothing fetched ahead takes some seconds. */
const RUN_TIMEOUT_MS = 60_000

/** Hundreds of megabytes over a slow link, and then unpacked, which takes as long again. */
const FULL_PULL_TIMEOUT_MS = 180_000

/** How long a container that was told to die may take. */
const KILL_TIMEOUT_MS = 10_000

export interface LazyNodeInit {
  /** The registry of the images, `host:port`. */
  readonly registry: string
  /** URL of the agent's mirror; without one everything comes from the registry itself. */
  readonly mirrorUrl?: string
  readonly fetchesAhead?: boolean
  /** Where its programs run, with the agent's mirror and everything else they reach; here when left out. */
  readonly place?: ProgramPlace
}

/** What a person waits for: from the pull to the first line of the container's output. */
export interface StartTimes {
  readonly pullMs: number
  /** From the start of the container to its first line. */
  readonly runMs: number
}

/** A node that mounts images instead of unpacking them: a containerd with a stargz snapshotter, both behind one agent. */
export class LazyNode implements AsyncDisposable {
  readonly containerd: Containerd
  readonly snapshotter: StargzSnapshotter
  readonly #owned: AsyncDisposableStack
  readonly #running = new Set<LazyContainer>()

  private constructor(containerd: Containerd, snapshotter: StargzSnapshotter, owned: AsyncDisposableStack) {
    this.containerd = containerd
    this.snapshotter = snapshotter
    this.#owned = owned
  }

  /** Manifests go the way that an administrator's command configures, layers the snapshotter's own, which names no registry. */
  static async start({ registry, mirrorUrl, fetchesAhead = false, place }: LazyNodeInit): Promise<LazyNode> {
    await using owned = new AsyncDisposableStack()
    const mirror = mirrorUrl === undefined ? {} : { mirror: new URL(mirrorUrl).host }
    const at = place === undefined ? {} : { place }
    const snapshotter = owned.use(await StargzSnapshotter.start({ registry, ...mirror, fetchesAhead, ...at }))
    const containerd = owned.use(await Containerd.start({ proxySnapshotters: { stargz: snapshotter.socket }, ...at }))
    if (mirrorUrl !== undefined) {
      const args = ['containerd', 'configure', '--certs-dir', containerd.hostsFolder, '--mirror', mirrorUrl]
      await runOk(SHOAL, args, { timeoutMs: CONFIGURE_TIMEOUT_MS })
    }
    return new LazyNode(containerd, snapshotter, owned.move())
  }

  /** Fetches manifest and config, and has every layer mounted; the result says whether it worked. */
  async pull(reference: string): Promise<RunResult> {
    const [command, ...args] = this.containerd.ctrRemote
    const flags = ['--plain-http', '--snapshotter', 'stargz', '--hosts-dir', this.containerd.hostsFolder]
    return await run(command, [...args, 'images', 'rpull', ...flags, reference], { timeoutMs: PULL_TIMEOUT_MS })
  }

  /** Runs a container of a pulled image; what it printed. Throws unless it ended with 0. */
  async run(reference: string, command: readonly string[]): Promise<string> {
    await using container = await this.begin(reference, command)
    return await container.finished()
  }

  /**
   * Starts a container of a pulled image. Disposing of it kills what still runs in it. Its name is its own on the whole
   * machine, since all containerds share the folder that runc keeps its containers in.
   */
  async begin(reference: string, command: readonly string[], snapshotter = 'stargz'): Promise<LazyContainer> {
    const id = `lazy-${randomUUID()}`
    const [ctr, ...args] = this.containerd.ctr
    const child = await Child.start({
      name: id,
      command: ctr,
      args: [...args, 'run', '--rm', '--snapshotter', snapshotter, reference, id, ...command],
    })
    const container = new LazyContainer(id, child, this.containerd)
    this.#running.add(container)
    void child.exited().then(() => this.#running.delete(container))
    return container
  }

  /** Pulls the image, which must be new here, and runs it until a line of its output that `line` matches. */
  async firstLine(reference: string, command: readonly string[], line = /./): Promise<StartTimes> {
    return await this.#firstLine(reference, command, line, 'stargz', await this.#timed(() => this.pull(reference)))
  }

  /** The same without anything lazy: all layers are fetched and unpacked before the container starts. */
  async firstLineAfterFullPull(reference: string, command: readonly string[], line = /./): Promise<StartTimes> {
    const { containerd } = this
    const options = { hostsFolder: containerd.hostsFolder, plainHttp: true, timeoutMs: FULL_PULL_TIMEOUT_MS }
    const pull = await this.#timed(() => containerd.pull(reference, options))
    return await this.#firstLine(reference, command, line, containerd.snapshotter, pull)
  }

  /** Fetches all layers and leaves them packed; how many milliseconds that took. */
  async fetchOnly(reference: string): Promise<number> {
    const { containerd } = this
    const options = { hostsFolder: containerd.hostsFolder, plainHttp: true, timeoutMs: FULL_PULL_TIMEOUT_MS }
    return await this.#timed(() => containerd.fetch(reference, options))
  }

  async #timed(pull: () => Promise<RunResult>): Promise<number> {
    const startMs = performance.now()
    const { code, output } = await pull()
    if (code !== 0) throw new Error(`the pull ended with code ${code}:\n${output.slice(-4_000)}`)
    return performance.now() - startMs
  }

  async #firstLine(
    reference: string,
    command: readonly string[],
    line: RegExp,
    snapshotter: string,
    pullMs: number,
  ): Promise<StartTimes> {
    const startMs = performance.now()
    await using container = await this.begin(reference, command, snapshotter)
    await container.child.waitForLine(line, { timeoutMs: RUN_TIMEOUT_MS })
    return { pullMs, runMs: performance.now() - startMs }
  }

  /**
   * A reader that hangs on a mount dies only when the mount's server is gone, and containerd counts as running for as long as
   * one of its containers is: so these two first. Then containerd lets go of its mounts, which lie on the snapshotter's.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#running]
    await Promise.all(running.map(async (container) => await container.kill()))
    if (this.#running.size > 0) await this.snapshotter.child.kill()
    await Promise.all(running.map(async (container) => await container[Symbol.asyncDispose]()))
    await this.#owned.disposeAsync()
  }
}

/** A container that runs from lazily mounted layers. */
export class LazyContainer implements AsyncDisposable {
  readonly child: Child
  readonly #id: string
  readonly #containerd: Containerd

  constructor(id: string, child: Child, containerd: Containerd) {
    this.#id = id
    this.child = child
    this.#containerd = containerd
  }

  /** Waits for the end of it; everything it printed. Throws unless it ended with 0. */
  async finished(): Promise<string> {
    const timer = setTimeout(() => void this.kill(), RUN_TIMEOUT_MS)
    const { code } = await this.child.exited()
    clearTimeout(timer)
    if (code !== 0) throw new Error(`${this.#id} ended with code ${code}:\n${this.child.output.slice(-4_000)}`)
    return this.child.output
  }

  /** Tells it to die, without waiting for that. */
  async kill(): Promise<void> {
    if (!this.child.isRunning) return
    const [ctr, ...args] = this.#containerd.ctr
    await run(ctr, [...args, 'tasks', 'kill', '--signal', 'SIGKILL', this.#id], { timeoutMs: KILL_TIMEOUT_MS })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.child.isRunning) return
    await this.kill()
    await this.child.stop(KILL_TIMEOUT_MS)
  }
}
