import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { stringify } from 'smol-toml'
import { Child, type RunResult, run, runOk } from './processes.ts'
import { tempFolder } from './scope.ts'

const START_TIMEOUT_MS = 20_000
const TASK_TIMEOUT_MS = 30_000

/** Longest pull that a test waits for: well above a slow machine's, well below containerd's own five minutes. */
const PULL_TIMEOUT_MS = 60_000

/** Where containerd keeps content inside its root. */
const CONTENT_FOLDER = 'io.containerd.content.v1.content/blobs/sha256'

export interface PullOptions {
  /** A certs.d folder; each pull reads it anew. */
  readonly hostsFolder: string
  /** `user:password`. */
  readonly user?: string
  /** Whether registries that are not on loopback are spoken to without TLS too. */
  readonly plainHttp?: boolean
  readonly timeoutMs?: number
}

export interface ContainerdInit {
  /** Sockets of snapshotters that are programs of their own, by the name that containerd is to know them by. */
  readonly proxySnapshotters?: Readonly<Record<string, string>>
  /** Where it and its clients run, which pull by themselves; here when left out. */
  readonly place?: ProgramPlace
}

/** Where a program of a test runs and keeps its files. */
export interface ProgramPlace {
  /** Put in front of a command line, for example to enter a network namespace. */
  readonly commandPrefix: readonly string[]
  /** What temporary folders are called. */
  readonly folderName: string
}

/** A private containerd with its own root, state and socket, driven with `ctr`. Needs root. */
export class Containerd implements AsyncDisposable {
  /** A folder of its own for hosts.toml files, empty at first. */
  readonly hostsFolder: string
  readonly #folder: string
  readonly #socket: string
  readonly #commandPrefix: readonly string[]
  readonly #owned: AsyncDisposableStack
  #snapshotter = 'overlayfs'

  private constructor(folder: string, commandPrefix: readonly string[], owned: AsyncDisposableStack) {
    this.#folder = folder
    this.#commandPrefix = commandPrefix
    this.#socket = join(folder, 'c.sock')
    this.#owned = owned
    this.hostsFolder = join(folder, 'certs.d')
  }

  static async start({ proxySnapshotters = {}, place }: ContainerdInit = {}): Promise<Containerd> {
    await using owned = new AsyncDisposableStack()
    const { commandPrefix = [], folderName = 'containerd' } = place ?? {}
    const folder = owned.use(await tempFolder(folderName)).path
    const configFile = join(folder, 'config.toml')
    await writeFile(configFile, stringify(daemonConfig(folder, proxySnapshotters)))
    const child = owned.use(
      await Child.start({ name: 'containerd', command: 'containerd', args: ['--config', configFile], commandPrefix }),
    )
    const containerd = new Containerd(folder, commandPrefix, owned.move())
    try {
      await mkdir(containerd.hostsFolder)
      const isUp = async (): Promise<boolean> => (await containerd.#ctr(['version'], 5_000)).code === 0
      await child.waitUntil(isUp, { timeoutMs: START_TIMEOUT_MS })
      containerd.#snapshotter = await containerd.#chooseSnapshotter()
    } catch (error) {
      await containerd[Symbol.asyncDispose]()
      throw error
    }
    return containerd
  }

  /** Begin of a command line of containerd's client for what has no method here. */
  get ctr(): readonly [command: string, ...args: string[]] {
    return this.#client('ctr')
  }

  /** The same for stargz's client, which can do all that containerd's can. */
  get ctrRemote(): readonly [command: string, ...args: string[]] {
    return this.#client('ctr-remote')
  }

  /** The snapshotter that unpacks: overlayfs, where it works. */
  get snapshotter(): string {
    return this.#snapshotter
  }

  /** Pulls and unpacks; the result says whether it worked. */
  async pull(reference: string, options: PullOptions): Promise<RunResult> {
    const args = ['images', 'pull', '--snapshotter', this.#snapshotter, ...pullFlags(options), reference]
    return await this.#ctr(args, options.timeoutMs ?? PULL_TIMEOUT_MS)
  }

  /** Fetches without unpacking: distribution alone, some ten times quicker than a pull. */
  async fetch(reference: string, options: PullOptions): Promise<RunResult> {
    return await this.#ctr(['content', 'fetch', ...pullFlags(options), reference], options.timeoutMs ?? PULL_TIMEOUT_MS)
  }

  /** Runs a container of a pulled image; what it printed. Throws unless it ended with 0. */
  async run(reference: string, command: readonly string[]): Promise<string> {
    // All containerds of the machine share the folder of runc.
    const id = `task-${randomUUID()}`
    const [ctr, ...args] = this.ctr
    const run = ['run', '--rm', '--snapshotter', this.#snapshotter, reference, id, ...command]
    return await runOk(ctr, [...args, ...run], { timeoutMs: TASK_TIMEOUT_MS })
  }

  /** Hashes every blob in the content store: its name, and the sha256 that its bytes really have. */
  async contentDigests(): Promise<ReadonlyMap<string, string>> {
    const folder = join(this.#folder, 'root', CONTENT_FOLDER)
    const digests = new Map<string, string>()
    for (const name of await readdir(folder).catch(() => [])) {
      const hash = createHash('sha256')
      await pipeline(createReadStream(join(folder, name)), hash)
      digests.set(`sha256:${name}`, `sha256:${hash.digest('hex')}`)
    }
    return digests
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }

  /** overlayfs, unless the temporary folder lies on a file system that it does not work on. */
  async #chooseSnapshotter(): Promise<string> {
    const { output } = await this.#ctr(['plugins', 'ls'], 5_000)
    return /snapshotter\.v1\s+overlayfs\s.*\sok\s*$/m.test(output) ? 'overlayfs' : 'native'
  }

  async #ctr(args: readonly string[], timeoutMs: number): Promise<RunResult> {
    const [ctr, ...first] = this.ctr
    return await run(ctr, [...first, ...args], { timeoutMs })
  }

  #client(program: string): readonly [command: string, ...args: string[]] {
    const [first, ...rest] = this.#commandPrefix
    const own = ['--address', this.#socket]
    return first === undefined ? [program, ...own] : [first, ...rest, program, ...own]
  }
}

function pullFlags({ hostsFolder, user, plainHttp = false }: PullOptions): string[] {
  const more = [...(user === undefined ? [] : ['--user', user]), ...(plainHttp ? ['--plain-http'] : [])]
  return ['--hosts-dir', hostsFolder, ...more]
}

/** No CRI, which wants CNI and cgroup controllers that a test machine need not have. */
function daemonConfig(folder: string, snapshotters: Readonly<Record<string, string>>): Record<string, unknown> {
  const plugins = Object.entries(snapshotters).map(([name, address]) => [name, { type: 'snapshot', address }])
  return {
    version: 2,
    root: join(folder, 'root'),
    state: join(folder, 'state'),
    disabled_plugins: [
      'io.containerd.grpc.v1.cri',
      'io.containerd.internal.v1.opt',
      'io.containerd.internal.v1.tracing',
      'io.containerd.snapshotter.v1.aufs',
      'io.containerd.snapshotter.v1.btrfs',
      'io.containerd.snapshotter.v1.devmapper',
      'io.containerd.snapshotter.v1.zfs',
      'io.containerd.tracing.processor.v1.otlp',
    ],
    grpc: { address: join(folder, 'c.sock') },
    ttrpc: { address: join(folder, 'c.sock.ttrpc') },
    debug: { address: join(folder, 'debug.sock'), level: 'info' },
    proxy_plugins: Object.fromEntries(plugins),
  }
}
