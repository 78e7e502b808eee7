import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { test } from 'node:test'
import { systemClock } from '../../../src/core/index.ts'
import { parseManifest } from '../../../src/oci/index.ts'
import { OriginClient } from '../../../src/origin/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { DockerRegistry } from '../../support/docker-registry.ts'
import { testScope } from '../../support/scope.ts'
import { collect, noise } from './origin-client-fixture.ts'
import { pushImage } from './push-image.ts'

const REGISTRY = '/usr/bin/docker-registry'
const isInstalled = await access(REGISTRY).then(
  () => true,
  () => false,
)

test('a real docker registry is read: tag, manifest, blob sizes and ranges, tags', {
  skip: !isInstalled && 'docker-registry is not installed',
}, async (t) => {
  const scope = testScope(t)
  const registry = scope.use(await DockerRegistry.start())
  const layer = noise(300_000)
  const pushed = await pushImage(registry.url, 'lib/app', 'v1', layer)
  const client = new OriginClient(
    {
      registries: new Map([[registry.host, { plainHttp: true }]]),
      timeouts: { connectMs: 2_000, headersMs: 5_000, bodyIdleMs: 5_000 },
      userAgent: 'shoal/test',
    },
    { logger: silentLogger(), metrics: new Metrics(), clock: systemClock },
  )
  scope.defer(async () => await client.close())
  const ref = { namespace: registry.host, repository: 'lib/app' }

  assert.equal((await client.headManifest(ref, 'v1', {}))?.digest, pushed.manifestDigest)
  const fetched = await client.getManifest(ref, pushed.manifestDigest, {})
  assert.ok(fetched)
  const [descriptor] = parseManifest(fetched.mediaType, fetched.bytes).layers
  assert.ok(descriptor)
  assert.deepEqual(await client.headBlob(ref, descriptor.digest, {}), { sizeBytes: 300_000 })
  const range = { start: 1_234, end: 250_000 }
  assert.deepEqual(
    await collect(client.readBlob(descriptor, { origins: [ref] }, range, {})),
    layer.subarray(1_234, 250_000),
  )
  const tags = await client.listTags(ref, {})
  assert.deepEqual(JSON.parse(Buffer.from(tags?.body ?? []).toString()), { name: 'lib/app', tags: ['v1'] })
  assert.equal(await client.referrers(ref, descriptor.digest, {}), undefined, 'it is too old for the API')
  assert.deepEqual(await client.probe(ref, { reference: 'v1' }, {}), { outcome: 'allowed', anonymous: true })
})
