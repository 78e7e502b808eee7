import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { suite, test } from 'node:test'
import { OriginUnauthorizedError, OriginUnavailableError } from '../../../src/origin/index.ts'
import type { RegistryAuth } from '../../support/fault-registry-auth.ts'
import { startFaultRegistry } from '../../support/fault-registry.ts'
import { tempFolder, testScope } from '../../support/scope.ts'
import { clientOf } from './origin-client-fixture.ts'

const CREDENTIALS = { username: 'agent', password: 'pass:word' }
const BEARER: RegistryAuth = { kind: 'bearer', ...CREDENTIALS, publicRepositories: ['open/app'] }
const BASIC: RegistryAuth = { kind: 'basic', ...CREDENTIALS }

type Owner = Parameters<typeof testScope>[0]
type Settings = Parameters<typeof clientOf>[1]
type Init = Parameters<typeof clientOf>[2]

async function setUp(owner: Owner, auth: RegistryAuth, settings: Settings = {}, init: Init = {}) {
  const scope = testScope(owner)
  const registry = scope.use(await startFaultRegistry({ auth }))
  const { client, metrics } = scope.use(clientOf(registry, settings, init))
  registry.addImage('open/app', 'v1', [])
  registry.addImage('closed/app', 'v1', [])
  const open = { namespace: registry.host, repository: 'open/app' }
  const closed = { namespace: registry.host, repository: 'closed/app' }
  return { registry, client, metrics, open, closed, scope }
}

suite('bearer tokens', () => {
  test('are bought with the configured credentials and used again', async (t) => {
    const { registry, client, closed } = await setUp(t, BEARER, { credentials: CREDENTIALS })
    assert.ok(await client.headManifest(closed, 'v1', {}))
    assert.ok(await client.getManifest(closed, 'v1', {}))
    assert.equal(registry.stats.count('token'), 1)
    assert.equal(registry.stats.count('manifest'), 3, 'only the first request meets a challenge')
    const query = new URL(registry.stats.of('token')[0]?.path ?? '', registry.url).searchParams
    assert.deepEqual(
      [...query],
      [
        ['service', 'fault-registry'],
        ['scope', 'repository:closed/app:pull'],
      ],
    )
  })

  test('are bought once by all who wait for one', async (t) => {
    const { registry, client, closed } = await setUp(t, BEARER, { credentials: CREDENTIALS })
    await Promise.all([1, 2, 3, 4, 5].map(async () => await client.headManifest(closed, 'v1', {})))
    assert.equal(registry.stats.count('token'), 1)
  })

  test('are anonymous without credentials, which is enough for public repositories only', async (t) => {
    const { registry, client, open, closed } = await setUp(t, BEARER)
    assert.ok(await client.headManifest(open, 'v1', {}))
    assert.equal(registry.stats.of('token')[0]?.authorization, undefined)
    await assert.rejects(client.headManifest(closed, 'v1', {}), (error) => {
      assert.ok(error instanceof OriginUnauthorizedError)
      assert.match(error.challenges[0] ?? '', /^Bearer realm="http:.*scope="repository:closed\/app:pull"$/)
      return true
    })
  })

  test('are bought anew when the registry no longer takes them', async (t) => {
    const { registry, client, closed } = await setUp(t, BEARER, { credentials: CREDENTIALS })
    await client.headManifest(closed, 'v1', {})
    registry.revokeTokens()
    assert.ok(await client.headManifest(closed, 'v1', {}))
    assert.equal(registry.stats.count('token'), 2)
  })

  test('are bought again after trouble at the realm', async (t) => {
    const { registry, client, closed } = await setUp(t, BEARER, { credentials: CREDENTIALS })
    registry.faults.add({ on: 'token', times: 1, fault: { kind: 'status', status: 502 } })
    assert.ok(await client.headManifest(closed, 'v1', {}))
    registry.revokeTokens()
    registry.faults.add({ on: 'token', fault: { kind: 'status', status: 502 } })
    await assert.rejects(client.headManifest(closed, 'v1', {}), OriginUnavailableError)
  })

  test('wrong credentials end with the challenge of the origin', async (t) => {
    const { client, closed } = await setUp(t, BEARER, { credentials: { username: 'agent', password: 'wrong' } })
    await assert.rejects(client.headManifest(closed, 'v1', {}), OriginUnauthorizedError)
  })

  test('an unrelated realm never sees the credentials', async (t) => {
    const scope = testScope(t)
    const stranger = scope.use(await startFaultRegistry())
    const realm = stranger.url.replace('127.0.0.1', '127.0.0.2')
    const { registry, client, closed } = await setUp(
      t,
      { ...BEARER, realm: `${realm}/token` },
      { credentials: CREDENTIALS },
    )
    await assert.rejects(client.headManifest(closed, 'v1', {}))
    assert.ok(stranger.stats.requests.every(({ authorization }) => authorization === undefined))
    assert.equal(registry.stats.count('token'), 0)
  })
})

suite('other ways in', () => {
  test('Basic, with the name and password of the settings', async (t) => {
    const { registry, client, closed } = await setUp(t, BASIC, { credentials: CREDENTIALS })
    assert.ok(await client.headManifest(closed, 'v1', {}))
    assert.ok(await client.headManifest(closed, 'v1', {}))
    assert.equal(registry.stats.count('manifest'), 3)
  })

  test('Basic without credentials is a challenge to relay', async (t) => {
    const { client, closed } = await setUp(t, BASIC)
    await assert.rejects(
      client.headManifest(closed, 'v1', {}),
      (error) => error instanceof OriginUnauthorizedError && error.challenges.length === 1,
    )
  })

  test('the docker config file, read again when it changes', async (t) => {
    const folder = await tempFolder('docker-config')
    testScope(t).use(folder)
    const dockerConfigFile = join(folder.path, 'config.json')
    const { client, closed, registry } = await setUp(t, BASIC, {}, { dockerConfigFile })
    await assert.rejects(client.headManifest(closed, 'v1', {}), OriginUnauthorizedError)
    const auth = Buffer.from(`${CREDENTIALS.username}:${CREDENTIALS.password}`).toString('base64')
    await writeFile(dockerConfigFile, JSON.stringify({ auths: { [`http://${registry.host}/v2/`]: { auth } } }))
    assert.ok(await client.headManifest(closed, 'v1', {}))
    await writeFile(dockerConfigFile, JSON.stringify({ auths: {} }))
    await assert.rejects(client.headManifest(closed, 'v1', {}), OriginUnauthorizedError)
  })

  test('a credential helper on the path, asked once', async (t) => {
    const folder = await tempFolder('docker-helper')
    testScope(t).use(folder)
    const dockerConfigFile = join(folder.path, 'config.json')
    const secret = JSON.stringify({ Username: CREDENTIALS.username, Secret: CREDENTIALS.password })
    const helper = join(folder.path, 'docker-credential-shoaltest')
    await writeFile(helper, `#!/bin/sh\ncat >> ${folder.path}/asked\necho '${secret}'\n`)
    await chmod(helper, 0o755)
    const path = process.env['PATH'] ?? ''
    process.env['PATH'] = `${folder.path}${delimiter}${path}`
    t.after(() => {
      process.env['PATH'] = path
    })
    const { client, closed, registry } = await setUp(t, BASIC, {}, { dockerConfigFile })
    await writeFile(dockerConfigFile, JSON.stringify({ credHelpers: { [registry.host]: 'shoaltest' } }))
    assert.ok(await client.headManifest(closed, 'v1', {}))
    assert.ok(await client.headManifest(closed, 'v1', {}))
    assert.equal(await readFile(join(folder.path, 'asked'), 'utf8'), `${registry.host}\n`)
  })

  test('the caller’s own Authorization, as it is, with nothing of ours and nothing kept', async (t) => {
    const { registry, client, closed } = await setUp(t, BASIC, { credentials: CREDENTIALS })
    await assert.rejects(client.headManifest(closed, 'v1', { authorization: 'Basic bm8=' }), OriginUnauthorizedError)
    assert.equal(registry.stats.count(), 1)
    assert.equal(registry.stats.requests[0]?.authorization, 'Basic bm8=')
    const authorization = `Basic ${Buffer.from('agent:pass:word').toString('base64')}`
    assert.ok(await client.headManifest(closed, 'v1', { authorization }))
  })
})

suite('probing what a caller may have', () => {
  test('anonymous callers may have public images, found out with an anonymous token', async (t) => {
    const { registry, client, open } = await setUp(t, BEARER, { credentials: CREDENTIALS })
    assert.deepEqual(await client.probe(open, { reference: 'v1' }, {}), { outcome: 'allowed', anonymous: true })
    assert.ok(registry.stats.of('token').every(({ authorization }) => authorization === undefined))
  })

  test('anonymous callers get the origin’s challenge for private ones, although the agent could pull them', async (t) => {
    const { client, closed } = await setUp(t, BEARER, { credentials: CREDENTIALS })
    assert.ok(await client.headManifest(closed, 'v1', {}))
    const result = await client.probe(closed, { reference: 'v1' }, {})
    assert.equal(result.outcome, 'challenge')
    assert.match(
      result.outcome === 'challenge' ? (result.challenges[0] ?? '') : '',
      /service="fault-registry",scope="repository:closed\/app:pull"$/,
    )
  })

  test('a caller with the right token or password is let in, with a wrong one is challenged', async (t) => {
    const { client, closed } = await setUp(t, BASIC)
    const good = `Basic ${Buffer.from('agent:pass:word').toString('base64')}`
    assert.deepEqual(await client.probe(closed, { reference: 'v1' }, { authorization: good }), {
      outcome: 'allowed',
      anonymous: false,
    })
    const bad = await client.probe(closed, { reference: 'v1' }, { authorization: 'Basic bm8=' })
    assert.deepEqual(bad, { outcome: 'challenge', challenges: ['Basic realm="fault, \\"registry\\""'] })
  })

  test('tells missing and denied apart, and a redirect of a blob is a yes', async (t) => {
    const scope = testScope(t)
    const registry = scope.use(await startFaultRegistry({ storage: { urlLifeMs: 1_000 } }))
    const { client } = scope.use(clientOf(registry))
    const { digest } = registry.addBlob('lib/app', Buffer.from('blob'))
    const ref = { namespace: registry.host, repository: 'lib/app' }
    assert.deepEqual(await client.probe(ref, { kind: 'tags', reference: '' }, {}), { outcome: 'missing' })
    assert.deepEqual(await client.probe(ref, { reference: 'v9' }, {}), { outcome: 'missing' })
    assert.deepEqual(await client.probe(ref, { kind: 'blob', reference: digest }, {}), {
      outcome: 'allowed',
      anonymous: true,
    })
    assert.equal(registry.stats.count('storage'), 0)
    registry.faults.add({ fault: { kind: 'status', status: 403 } })
    assert.deepEqual(await client.probe(ref, { reference: 'v1' }, {}), { outcome: 'denied' })
    registry.faults.clear()
    registry.faults.add({ fault: { kind: 'status', status: 500 } })
    await assert.rejects(client.probe(ref, { reference: 'v1' }, {}), OriginUnavailableError)
  })
})
