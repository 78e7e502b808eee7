import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { digestOf, ShoalError, systemClock } from '../../../src/core/index.ts'
import { OriginBrokenError, OriginClient, type RegistrySettings } from '../../../src/origin/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { tempFolder, testScope } from '../../support/scope.ts'
import { collect } from './origin-client-fixture.ts'

const MANIFEST = Buffer.from('{"schemaVersion":2,"layers":[]}')

const run = promisify(execFile)
const hasOpenssl = await run('openssl', ['version']).then(
  () => true,
  () => false,
)

type Owner = Parameters<typeof testScope>[0]

/** An https server with a certificate of its own for 127.0.0.1, and clients that may ask it. */
async function setUp(owner: Owner, answer: RequestListener) {
  const scope = testScope(owner)
  const folder = scope.use(await tempFolder('tls')).path
  const [keyFile, caFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  const names = ['-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1']
  await run('openssl', ['req', '-x509', ...key, '-out', caFile, '-days', '2', ...names])
  const server = createServer({ key: await readFile(keyFile), cert: await readFile(caFile) }, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  const namespace = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const clientWith = (settings: RegistrySettings) => {
    const timeouts = { connectMs: 2_000, headersMs: 2_000, bodyIdleMs: 2_000 }
    const components = { logger: silentLogger(), metrics: new Metrics(), clock: systemClock }
    const client = new OriginClient(
      { registries: new Map([[namespace, settings]]), timeouts, userAgent: 'shoal/test' },
      components,
    )
    scope.defer(async () => await client.close())
    return client
  }
  return { ref: { namespace, repository: 'lib/app' }, caFile, clientWith }
}

suite('a registry over TLS', { skip: !hasOpenssl && 'openssl is not installed' }, () => {
  test('is believed with the configured authority, and with no other', async (t) => {
    const { ref, caFile, clientWith } = await setUp(t, (_, response) => response.end(MANIFEST))
    assert.equal((await clientWith({ caFile }).getManifest(ref, 'v1', {}))?.digest, digestOf(MANIFEST))
    await assert.rejects(clientWith({}).getManifest(ref, 'v1', {}), OriginBrokenError)
  })

  test('whose authorities cannot be read is our own trouble', async (t) => {
    const { ref, clientWith } = await setUp(t, (_, response) => response.end(MANIFEST))
    const isLocal = (error: unknown) => error instanceof ShoalError && error.blame === 'local'
    await assert.rejects(clientWith({ caFile: '/does/not/exist' }).getManifest(ref, 'v1', {}), isLocal)
  })

  test('does not lead down to plain http', async (t) => {
    const { ref, caFile, clientWith } = await setUp(t, (_, response) =>
      response.writeHead(307, { location: 'http://127.0.0.1:1/x' }).end(),
    )
    const blob = { digest: digestOf(MANIFEST), sizeBytes: 10 }
    const reading = collect(clientWith({ caFile }).readBlob(blob, { origins: [ref] }, { start: 0, end: 10 }, {}))
    await assert.rejects(reading, OriginBrokenError)
  })
})
