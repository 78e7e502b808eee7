import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ContainerLab } from '../support/container-lab.ts'
import { skopeoPolicy } from '../support/docker-registry.ts'
import { runOk } from '../support/processes.ts'
import { withContainers } from '../support/requirements.ts'
import { tempFolder, testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'

const COPY_TIMEOUT_MS = 40_000

test('skopeo copies through mirrors that name the registry in the path', withContainers(90_000), async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await ContainerLab.start({ image: 'small', agents: 2, trackers: 1 }))
  const folder = scope.use(await tempFolder('skopeo')).path
  const policy = await skopeoPolicy(folder)

  for (const agent of lab.swarm.agents) {
    const registriesFile = join(folder, `${agent.name}.conf`)
    await writeFile(registriesFile, registriesConf(lab.origin.host, agent))
    const target = `dir:${join(folder, agent.name)}`
    const options = ['--policy', policy, '--registries-conf', registriesFile]
    const args = [...options, 'copy', '--src-tls-verify=false', `docker://${lab.reference}`, target]
    await runOk('skopeo', args, { timeoutMs: COPY_TIMEOUT_MS })
  }

  await lab.assertOriginCopies(1.05)
  const second = lab.swarm.agents[1]
  assert.ok(second)
  assert.equal((await second.status()).bytesBySource.origin, 0)
})

/** A mirror entry of containers-registries.conf(5): the mirror's path begins with the registry, its colon written `_`. */
function registriesConf(origin: string, agent: ShoalProcess): string {
  const mirror = `${new URL(agent.mirrorUrl).host}/${origin.replace(':', '_')}`
  return `[[registry]]
location = "${origin}"
insecure = true
[[registry.mirror]]
location = "${mirror}"
insecure = true
`
}
