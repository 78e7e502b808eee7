import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { BuiltImage } from './images.ts'
import { Child, runOk } from './processes.ts'
import { freePort, tempFolder } from './scope.ts'

const START_TIMEOUT_MS = 10_000
const PUSH_TIMEOUT_MS = 60_000

/** A real registry (distribution 2.8 as Debian packages it) on a free loopback port, its content in a temporary folder. */
export class DockerRegistry implements AsyncDisposable {
  /** `127.0.0.1:PORT`, as it stands in a reference. */
  readonly host: string
  readonly #folder: string
  readonly #owned: AsyncDisposableStack

  private constructor(host: string, folder: string, owned: AsyncDisposableStack) {
    this.host = host
    this.#folder = folder
    this.#owned = owned
  }

  static async start(): Promise<DockerRegistry> {
    await using owned = new AsyncDisposableStack()
    const folder = owned.use(await tempFolder('registry')).path
    const host = `127.0.0.1:${await freePort()}`
    const configFile = join(folder, 'registry.yml')
    await mkdir(join(folder, 'content'))
    await writeFile(configFile, registryConfig(host, join(folder, 'content')))
    const child = owned.use(
      await Child.start({ name: 'docker-registry', command: 'docker-registry', args: ['serve', configFile] }),
    )
    await child.waitUntil(async () => (await fetch(`http://${host}/v2/`)).ok, { timeoutMs: START_TIMEOUT_MS })
    return new DockerRegistry(host, folder, owned.move())
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

function registryConfig(host: string, contentFolder: string): string {
  return stringify({
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: contentFolder }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: host },
  })
}
