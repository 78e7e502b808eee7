import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { configureContainerd, restoreContainerd, showContainerd } from '../../src/containerd/index.ts'
import { parseHosts, withMirror, withoutMirror } from '../../src/containerd/hosts-file.ts'
import { CertsDir, type Entry } from '../support/certs-dir.ts'

const url = fc.constantFrom(
  'https://a.example',
  'https://b.example:5000',
  'http://127.0.0.1:5000',
  'https://c.example/v2',
)

const hostsToml = fc
  .record({
    server: fc.option(url, { nil: undefined }),
    hosts: fc.uniqueArray(url),
    comment: fc.stringMatching(/^[ -~]{0,20}$/),
  })
  .map(({ server, hosts, comment }) => {
    const tables = hosts.map((host) => `[host."${host}"]\n  capabilities = ["pull"]\n`)
    return `#${comment}\n${server === undefined ? '' : `server = "${server}"\n`}${tables.join('')}`
  })

const entry: fc.Arbitrary<Entry> = fc.oneof(
  hostsToml,
  fc.string(),
  fc.constant(''),
  fc.constantFrom('nowhere', 'ca.crt', '../docker.io/ca.crt').map((linkTo) => ({ linkTo })),
)

const folder = fc.constantFrom(
  '_default',
  'docker.io',
  'quay.io',
  'own.example_5000_',
  'own.example:5000',
  'odd name',
  '.hidden',
)

const file = fc.constantFrom('hosts.toml', 'hosts.toml', 'ca.crt', 'me.cert', 'me.key')

const tree = fc.dictionary(
  fc.tuple(folder, file).map(([name, inside]) => `${name}/${inside}`),
  entry,
  { maxKeys: 6 },
)

describe('any tree of hosts.toml files', () => {
  it('is after configure and restore what it was before', async () => {
    await fc.assert(
      fc.asyncProperty(
        tree,
        fc.uniqueArray(fc.constantFrom('_default', 'docker.io', 'own.example:5000', 'new.example')),
        async (entries, namespaces) => {
          await using certsDir = await CertsDir.make(entries)
          const before = await certsDir.snapshot()
          for (const port of [5000, 5000, 5001]) {
            await configureContainerd({ certsDir: certsDir.path, mirrorUrl: `http://127.0.0.1:${port}`, namespaces })
          }
          await showContainerd({ certsDir: certsDir.path })
          await restoreContainerd({ certsDir: certsDir.path })
          assert.deepEqual(await certsDir.snapshot(), before)
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('a hosts.toml', () => {
  const mirror = { url: 'http://127.0.0.1:7000', namespace: 'docker.io', dialTimeoutMs: 200 }
  const none = { authorities: [], clients: [] }

  it('asks the mirror first and then what it asked before', () => {
    fc.assert(
      fc.property(hostsToml, (text) => {
        const before = parseHosts(text)
        const after = parseHosts(withMirror(text, mirror, none) ?? '')
        assert.equal(after?.markedMirror, mirror.url)
        assert.equal(after?.server, before?.server)
        assert.deepEqual(after?.hosts.slice(1), before?.hosts)
      }),
    )
  })

  it('says without the mirror what it said before', () => {
    fc.assert(
      fc.property(hostsToml, (text) => {
        const rest = parseHosts(withoutMirror(withMirror(text, mirror, none) ?? ''))
        assert.deepEqual(rest, parseHosts(text))
      }),
    )
  })

  it('never throws at any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseHosts(text)
        withoutMirror(text)
        withMirror(text, mirror, none)
      }),
    )
  })
})
