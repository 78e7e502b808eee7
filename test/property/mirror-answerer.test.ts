import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Answerer } from '../../src/mirror/answerer.ts'
import { namespaceAllowList } from '../../src/mirror/index.ts'
import { mirrorMetrics } from '../../src/mirror/metrics.ts'
import { isStreamed } from '../../src/mirror/reply.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { FakeBlobSource, FakeDocuments, FakeGate, FakeHistory, patternBytes } from '../support/mirror-fakes.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const ALLOWED = ['registry.test', 'docker.io']
const blobs = new FakeBlobSource()
const documents = new FakeDocuments()
const fakes = { blobs, documents, history: new FakeHistory(), gate: new FakeGate() }
const answerer = new Answerer(
  { allows: namespaceAllowList(ALLOWED), defaultNamespace: 'registry.test' },
  { ...fakes, clock: new VirtualClock(), logger: silentLogger(), metrics: mirrorMetrics(new Metrics()) },
)
const DIGEST = blobs.add(patternBytes(0, 300))
documents.add('v1', { schemaVersion: 2 })

const piece = fc.oneof(
  fc.constantFrom(
    'v2',
    'lib',
    'blobs',
    'manifests',
    'tags',
    'list',
    'referrers',
    'uploads',
    'v1',
    'dadip2p',
    'http:',
    'https:',
    '',
  ),
  fc.constantFrom(
    'docker.io',
    'registry.test',
    '169.254.169.254',
    '127.0.0.1:80',
    'h_5000_',
    '..',
    '%2f',
    '%',
    DIGEST,
    'sha256:x',
  ),
  fc.string({ maxLength: 12 }),
)
const url = fc
  .tuple(
    fc.array(piece, { maxLength: 8 }),
    fc.option(fc.tuple(fc.constantFrom('ns', 'n', 'last', 'artifactType'), piece)),
  )
  .map(([path, query]) => `/${path.join('/')}${query === null ? '' : `?${query.join('=')}`}`)
const target = fc.oneof(
  url,
  url.map((text) => `http:/${text}`),
  fc.string(),
)
const header = fc.oneof(fc.string(), fc.stringMatching(/^bytes=[0-9,-]{0,20}$/), piece)
const headers = fc.dictionary(
  fc.constantFrom('range', 'user-agent', 'authorization', 'x-shoal-ns', 'oci-namespace'),
  header,
)
const method = fc.constantFrom('GET', 'HEAD', 'GET', 'PUT', 'POST', 'DELETE', 'TRACE')

test('whatever is asked is answered, with a status no client misreads and for allowed registries only', async () => {
  const statuses = new Set<number>()
  await fc.assert(
    fc.asyncProperty(method, target, headers, async (verb, line, fields) => {
      const { reply } = await answerer.answer({
        method: verb,
        url: line,
        header: (name) => fields[name],
        isSelf: () => false,
        clientSignal: new AbortController().signal,
      })
      statuses.add(reply.status)
      assert.ok([200, 206, 400, 404, 405, 416].includes(reply.status), String(reply.status))
      assert.match(String(reply.headers['content-length']), /^\d+$/)
      assert.ok(reply.headers['content-type'])
      assert.ok(verb !== 'HEAD' || reply.body === undefined)
      if (isStreamed(reply.body)) reply.body.done({ end: 'complete' })
    }),
    { numRuns: 2000 },
  )
  for (const { origins } of blobs.requests) assert.ok(origins.every(({ namespace }) => ALLOWED.includes(namespace)))
  for (const { origin } of documents.asked) assert.ok(ALLOWED.includes(origin.namespace))
  assert.equal(blobs.openHandles, 0)
  assert.ok(statuses.has(404) && statuses.has(405))
})
