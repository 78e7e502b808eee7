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
  readonly timeoutMs?: number
}

export interface ContainerdInit {
  /** Sockets of snapshotters that are programs of their own, by the name that containerd is to know them by. */
  readonly proxySnapshotters?: Readonly<Record<string, string>>
}

/** A private containerd with its own root, state and socket, driven with `ctr`. Needs root. */
export class Containerd implements AsyncDisposable {
  /** A folder of its own for hosts.toml files, empty at first. */
  readonly hostsFolder: string
  readonly #folder: string
  readonly #socket: string
  readonly #owned: AsyncDisposableStack
  #snapshotter = 'overlayfs'

  private constructor(folder: string, owned: AsyncDisposableStack) {
    this.#folder = folder
    this.#socket = join(folder, 'c.sock')
    this.#owned = owned
    this.hostsFolder = join(folder, 'certs.d')
  }

  static async start({ proxySnapshotters = {} }: ContainerdInit = {}): Promise<Containerd> {
    await using owned = new AsyncDisposableStack()
    const folder = owned.use(await tempFolder('containerd')).path
    const configFile = join(folder, 'config.toml')
    await writeFile(configFile, stringify(daemonConfig(folder, proxySnapshotters)))
    const child = owned.use(
      await Child.start({ name: 'containerd', command: 'containerd', args: ['--config', configFile] }),
    )
    const containerd = new Containerd(folder, owned.move())
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
    return ['ctr', '--address', this.#socket]
  }

  /** The same for stargz's client, which can do all that containerd's can. */
  get ctrRemote(): readonly [command: string, ...args: string[]] {
    return ['ctr-remote', '--address', this.#socket]
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
    const args = [
      '--address',
      this.#socket,
      'run',
      '--rm',
      '--snapshotter',
      this.#snapshotter,
      reference,
      id,
      ...command,
    ]
    return await runOk('ctr', args, { timeoutMs: TASK_TIMEOUT_MS })
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
    return await run('ctr', ['--address', this.#socket, ...args], { timeoutMs })
  }
}

function pullFlags({ hostsFolder, user }: PullOptions): string[] {
  return ['--hosts-dir', hostsFolder, ...(user === undefined ? [] : ['--user', user])]
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
