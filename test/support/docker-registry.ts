import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { BuiltImage } from './images.ts'
import type { ProgramPlace } from './containerd.ts'
import { Child, runOk } from './processes.ts'
import { freePort, tempFolder } from './scope.ts'

const START_TIMEOUT_MS = 10_000
const PUSH_TIMEOUT_MS = 60_000

export interface DockerRegistryInit {
  /** Where it runs, and the address it has there; loopback when left out. */
  readonly place?: ProgramPlace & { readonly address: string }
  /** A folder that other registries may read and write too; one of its own when left out. */
  readonly contentFolder?: string
  /** Whether each answered request is told in a line of its output, as JSON. */
  readonly logsRequests?: boolean
}

/** A port that nothing else listens at in a namespace of its own. */
const PORT = 5_000

/** A real registry (distribution 2.8 as Debian packages it), its content in a folder. */
export class DockerRegistry implements AsyncDisposable {
  /** `ADDRESS:PORT`, as it stands in a reference. */
  readonly host: string
  readonly child: Child
  readonly #folder: string
  readonly #owned: AsyncDisposableStack

  private constructor(host: string, child: Child, folder: string, owned: AsyncDisposableStack) {
    this.host = host
    this.child = child
    this.#folder = folder
    this.#owned = owned
  }

  static async start(init: DockerRegistryInit = {}): Promise<DockerRegistry> {
    await using owned = new AsyncDisposableStack()
    const { commandPrefix = [], folderName = 'registry' } = init.place ?? {}
    const folder = owned.use(await tempFolder(folderName)).path
    const host = init.place === undefined ? `127.0.0.1:${await freePort()}` : `${init.place.address}:${PORT}`
    const { contentFolder = join(folder, 'content') } = init
    const configFile = join(folder, 'registry.yml')
    await mkdir(contentFolder, { recursive: true })
    await writeFile(configFile, registryConfig(host, contentFolder, init.logsRequests ?? false))
    const args = ['serve', configFile]
    const child = owned.use(
      await Child.start({ name: 'docker-registry', command: 'docker-registry', args, commandPrefix }),
    )
    if (init.logsRequests === true) await child.waitForLine(/listening on/, { timeoutMs: START_TIMEOUT_MS })
    else await child.waitUntil(async () => (await fetch(`http://${host}/v2/`)).ok, { timeoutMs: START_TIMEOUT_MS })
    return new DockerRegistry(host, child, folder, owned.move())
  }

  get url(): string {
    return `http://${this.host}`
  }

  /** Pushes an image with skopeo, as a build pipeline would, under `repository:tag`. */
  async push(image: BuiltImage, repository: string, tag: string): Promise<void> {
    const target = `docker://${this.host}/${repository}:${tag}`
    const policy = await skopeoPolicy(this.#folder)
    const source = `oci:${image.layoutFolder}:${image.tag}`
    await runOk('skopeo', ['--policy', policy, 'copy', '-q', '--dest-tls-verify=false', source, target], {
      timeoutMs: PUSH_TIMEOUT_MS,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** Writes the policy file that skopeo insists on into `folder`; returns its path. */
export async function skopeoPolicy(folder: string): Promise<string> {
  const path = join(folder, 'policy.json')
  await writeFile(path, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  return path
}

function registryConfig(host: string, contentFolder: string, logsRequests: boolean): string {
  const log = logsRequests ? { level: 'info', formatter: 'json' } : { level: 'warn' }
  return stringify({
    version: 0.1,
    log: { ...log, accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: contentFolder }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: host },
  })
}
