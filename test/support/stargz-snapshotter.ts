import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import type { ProgramPlace } from './containerd.ts'
import { Child } from './processes.ts'
import { mountPointsBelow, unmountBelow } from './mounts.ts'
import { type TempFolder, tempFolder } from './scope.ts'
import { stargzDaemon } from './stargz-daemon.ts'

const START_TIMEOUT_MS = 10_000

/** Longest that the daemon may take to unmount everything before it is killed, which ends every hung read. */
const UNMOUNT_GRACE_MS = 3_000

/** Upstream has 300 s: a reader of a mirror that hangs could not be ended for so long. */
const FETCH_TIMEOUT_S = 30

export interface StargzInit {
  /** The registry of the images, `host:port`; spoken to without TLS. */
  readonly registry: string
  /** A mirror that is asked in front of it, `host:port`. */
  readonly mirror?: string
  /** Whether layers are fetched ahead of what is read, as they are by default: up to their landmark, and the rest when idle. */
  readonly fetchesAhead?: boolean
  /** Where it runs; here when left out. */
  readonly place?: ProgramPlace
}

/** A stargz snapshotter for one containerd, which mounts eStargz layers and reads them in parts. Needs root and FUSE. */
export class StargzSnapshotter implements AsyncDisposable {
  /** Where it serves containerd's snapshots API. */
  readonly socket: string
  readonly child: Child
  readonly #folder: TempFolder

  private constructor(folder: TempFolder, socket: string, child: Child) {
    this.#folder = folder
    this.socket = socket
    this.child = child
  }

  static async start(init: StargzInit): Promise<StargzSnapshotter> {
    await using owned = new AsyncDisposableStack()
    const { commandPrefix = [], folderName = 'stargz' } = init.place ?? {}
    const folder = owned.use(await tempFolder(folderName))
    const [socket, root, configFile] = ['s.sock', 'root', 'config.toml'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ]
    await mkdir(root)
    await writeFile(configFile, stringify(daemonConfig(init)))
    const command = await stargzDaemon()
    const child = owned.use(
      await Child.start({ name: 'stargz', command, args: [socket, root, configFile], commandPrefix }),
    )
    await child.waitUntil(async () => existsSync(socket), { timeoutMs: START_TIMEOUT_MS })
    owned.move()
    return new StargzSnapshotter(folder, socket, child)
  }

  /** Folders that layers are mounted at now. */
  async mounts(): Promise<readonly string[]> {
    return (await mountPointsBelow(this.#folder.path)).filter(({ type }) => type.startsWith('fuse')).map(({ at }) => at)
  }

  /** Unmounts everything. The daemon's end aborts what is still read through it; what it left mounted is taken away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop(UNMOUNT_GRACE_MS)
    await unmountBelow(this.#folder.path)
    await this.#folder[Symbol.asyncDispose]()
  }
}

function daemonConfig({ registry, mirror, fetchesAhead = false }: StargzInit): Record<string, unknown> {
  // The daemon's TOML library takes an empty list for one of numbers.
  const host = mirror === undefined ? {} : { [registry]: { mirrors: [{ host: mirror }] } }
  return {
    noprefetch: !fetchesAhead,
    no_background_fetch: !fetchesAhead,
    blob: { fetching_timeout_sec: FETCH_TIMEOUT_S },
    resolver: { host },
  }
}
