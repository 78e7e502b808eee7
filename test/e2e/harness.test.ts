import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Containerd } from '../support/containerd.ts'
import { CountingProxy } from '../support/counting-proxy.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import { buildImage, GREETING } from '../support/images.ts'
import { ANY_BLOB } from '../support/origin-faults.ts'
import { withContainers } from '../support/requirements.ts'
import { testScope } from '../support/scope.ts'
import { TokenServer } from '../support/token-server.ts'

test('containerd alone pulls from the counted origin and runs what it pulled', withContainers(60_000), async (t) => {
  const scope = testScope(t)
  const image = await buildImage('small')
  const registry = scope.use(await DockerRegistry.start())
  await registry.push(image, 'lab/app', 'v1')
  const origin = scope.use(await CountingProxy.start({ target: registry.host }))
  const containerd = scope.use(await Containerd.start())
  const reference = `${origin.host}/lab/app:v1`

  const pulled = await containerd.pull(reference, { hostsFolder: containerd.hostsFolder })

  assert.equal(pulled.code, 0, pulled.output)
  assert.match(await containerd.run(reference, image.command), new RegExp(GREETING))
  assert.equal(origin.counts.blobBytes, image.blobBytes)
  const digests = await containerd.contentDigests()
  assert.deepEqual([...digests.keys()], [...digests.values()])
  for (const { digest } of [image.manifest, image.config, ...image.layers]) assert.ok(digests.has(digest), digest)
})

test('the counted origin can go away, come back and fail on demand', withContainers(30_000), async (t) => {
  const scope = testScope(t)
  const image = await buildImage('small')
  const registry = scope.use(await DockerRegistry.start())
  await registry.push(image, 'lab/app', 'v1')
  const origin = scope.use(await CountingProxy.start({ target: registry.host }))
  const layer = image.layers[1]
  assert.ok(layer)
  const url = `${origin.url}/v2/lab/app/blobs/${layer.digest}`

  await origin.stop()
  await assert.rejects(fetch(url))
  await origin.resume()
  origin.faults.inject({ path: ANY_BLOB, times: 1, action: { kind: 'cut', afterBytes: 70_000 } })
  await assert.rejects(async () => await (await fetch(url)).arrayBuffer())
  assert.equal(origin.counts.blobBytes, 70_000)
  origin.faults.inject({ path: ANY_BLOB, times: 1, action: { kind: 'ignore-range' } })
  const whole = await fetch(url, { headers: { range: 'bytes=10-19' } })
  assert.equal(whole.status, 200)
  assert.equal((await whole.arrayBuffer()).byteLength, layer.size)
  const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
  assert.equal(part.status, 206)
  assert.equal((await part.arrayBuffer()).byteLength, 10)
})

test('the private origin serves those who know a password and nobody else', withContainers(30_000), async (t) => {
  const scope = testScope(t)
  const image = await buildImage('small')
  const registry = scope.use(await DockerRegistry.start())
  await registry.push(image, 'private/app', 'v1')
  const tokens = scope.use(await TokenServer.start({ users: { alice: 'secret' } }))
  const origin = scope.use(await CountingProxy.start({ target: registry.host, guard: tokens.guard }))
  const containerd = scope.use(await Containerd.start())
  const { hostsFolder } = containerd
  const reference = `${origin.host}/private/app:v1`

  assert.notEqual((await containerd.fetch(reference, { hostsFolder })).code, 0)
  assert.notEqual((await containerd.fetch(reference, { hostsFolder, user: 'alice:wrong' })).code, 0)
  assert.equal(origin.counts.blobBytes, 0)
  const fetched = await containerd.fetch(reference, { hostsFolder, user: 'alice:secret' })

  assert.equal(fetched.code, 0, fetched.output)
  assert.equal(origin.counts.blobBytes, image.blobBytes)
})
