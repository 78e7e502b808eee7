import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { runCli } from '../../../src/cli/index.ts'
import { type Config, loadConfig } from '../../../src/config/index.ts'
import { RecordedTerminal } from '../../support/recorded-terminal.ts'

const DEPLOY = fileURLToPath(new URL('../../../deploy', import.meta.url))

const CONFIG_FILE = join(DEPLOY, 'base/shoal.yaml')

interface Container {
  readonly name: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
  readonly lifecycle?: unknown
  readonly livenessProbe?: { readonly httpGet: { readonly port: number | string; readonly host?: string } }
}

interface PodSpec {
  readonly hostNetwork?: boolean
  readonly terminationGracePeriodSeconds: number
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly { readonly name: string }[]
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec }
    readonly volumeClaimTemplates?: readonly Manifest[]
  }
  readonly resources?: readonly string[]
}

/** Every document of every YAML file below `deploy`. */
async function manifests(): Promise<Manifest[]> {
  const names = (await readdir(DEPLOY, { recursive: true })).filter((name) => name.endsWith('.yaml'))
  const texts = await Promise.all(names.map(async (name) => await readFile(join(DEPLOY, name), 'utf8')))
  return texts.flatMap((text, index) =>
    parseAllDocuments(text).map((document) => {
      assert.deepEqual(document.errors, [], names[index] ?? '')
      return document.toJS() as Manifest
    }),
  )
}

async function workload(name: string): Promise<Manifest & { readonly pod: PodSpec }> {
  const found = (await manifests()).find(
    ({ metadata, spec }) => metadata?.name === name && spec?.template !== undefined,
  )
  assert.ok(found?.spec?.template, name)
  return { ...found, pod: found.spec.template.spec }
}

async function containers(): Promise<Container[]> {
  const pods = (await manifests()).flatMap(({ spec }) => spec?.template?.spec ?? [])
  return pods.flatMap(({ initContainers = [], containers: main }) => [...initContainers, ...main])
}

function configOf(role: 'agent' | 'tracker', { env = [] }: Container): Config {
  const given = env.filter(({ name, value }) => name.startsWith('SHOAL_') && value !== undefined)
  return loadConfig({
    role,
    file: CONFIG_FILE,
    env: Object.fromEntries(given.map(({ name, value }) => [name, value])),
    flags: {},
  })
}

describe('the manifests', () => {
  it('are YAML, each with its kind', async () => {
    const all = await manifests()
    const kinds = new Set(all.map(({ kind }) => kind))
    for (const kind of ['Namespace', 'DaemonSet', 'StatefulSet', 'Service', 'PodDisruptionBudget', 'NetworkPolicy']) {
      assert.ok(kinds.has(kind), kind)
    }
  })

  it('run commands and flags that there are', async () => {
    for (const { name, command, args = [] } of await containers()) {
      if (command !== undefined) continue
      const words = args.filter((arg) => !arg.startsWith('--'))
      const terminal = new RecordedTerminal()
      assert.equal(await runCli([...words, '--help'], { terminal, env: {} }), 0, name)
      for (const flag of args.filter((arg) => arg.startsWith('--'))) {
        assert.ok(terminal.output.includes(`${flag.split('=')[0]} <`), `${name}: ${flag}`)
      }
    }
  })

  it('use the least rights in every container', async () => {
    for (const { name, securityContext, lifecycle } of await containers()) {
      assert.equal(securityContext.readOnlyRootFilesystem, true, name)
      assert.equal(securityContext.allowPrivilegeEscalation, false, name)
      assert.deepEqual((securityContext.capabilities as { drop: unknown }).drop, ['ALL'], name)
      assert.equal(lifecycle, undefined, `${name}: containerd's files stay when a pod stops`)
    }
  })

  it('mount what they declare', async () => {
    for (const { spec } of await manifests()) {
      const pod = spec?.template?.spec
      if (pod === undefined) continue
      const claims = spec?.volumeClaimTemplates?.map(({ metadata }) => metadata.name) ?? []
      const volumes = [...pod.volumes.map(({ name }) => name), ...claims]
      const mounts = [...(pod.initContainers ?? []), ...pod.containers].flatMap(({ volumeMounts = [] }) => volumeMounts)
      for (const { name } of mounts) assert.ok(volumes.includes(name), name)
    }
  })

  it('name files that are there', async () => {
    for (const folder of ['base', 'example', 'uninstall']) {
      const [kustomization] = parseAllDocuments(await readFile(join(DEPLOY, folder, 'kustomization.yaml'), 'utf8'))
      for (const resource of (kustomization?.toJS() as Manifest | undefined)?.resources ?? []) {
        assert.ok(
          (await readdir(join(DEPLOY, folder, resource)).catch(() => readFile(join(DEPLOY, folder, resource)))).length >
            0,
        )
      }
    }
  })
})

describe('the configuration in the manifests', () => {
  it('is taken by agents and trackers, and agrees with probes, init container and grace period', async () => {
    for (const [name, role] of [
      ['shoal-agent', 'agent'],
      ['shoal-tracker', 'tracker'],
    ] as const) {
      const { pod } = await workload(name)
      const main = pod.containers[0]
      assert.ok(main)
      const config = configOf(role, main)
      assert.ok(config.timeouts.stopMs / 1000 + 5 < pod.terminationGracePeriodSeconds)
      assert.equal(config.admin.listen.port, 5080)
      assert.equal(config.admin.listen.host, pod.hostNetwork === true ? main.livenessProbe?.httpGet.host : '0.0.0.0')
      const mounted = main.volumeMounts?.map(({ mountPath }) => mountPath) ?? []
      for (const file of [config.dataDir, config.cluster.keyFile, config.identity.file]) {
        assert.ok(
          mounted.some((path) => file === path || file.startsWith(`${path}/`)),
          file,
        )
      }
    }
  })

  it('has the mirror where the init container tells containerd to look', async () => {
    const { pod } = await workload('shoal-agent')
    const init = pod.initContainers?.find(({ name }) => name === 'configure-containerd')
    const { mirror } = loadConfig({ role: 'agent', file: CONFIG_FILE, env: {}, flags: {} })
    assert.ok(init?.args?.includes(`--mirror=http://${mirror.listen[0]?.host}:${mirror.listen[0]?.port}`))
  })

  it('pins the tracker of the example by the name that its Service gives it', async () => {
    const text = await readFile(join(DEPLOY, 'example/kustomization.yaml'), 'utf8')
    const literal = /SHOAL_TRACKERS=(\S+)/.exec(text)?.[1]
    const { trackers } = loadConfig({ role: 'agent', file: CONFIG_FILE, env: { SHOAL_TRACKERS: literal }, flags: {} })
    assert.match(trackers[0]?.addresses[0] ?? '', /^\/dns4\/shoal-tracker-0\.shoal-tracker\.shoal\.svc\/tcp\/5001\//)
  })
})
