import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { namespaceAllowList } from '../../../src/mirror/index.ts'
import { type NamespaceQuery, NamespaceResolver } from '../../../src/mirror/namespace-resolver.ts'
import { FakeHistory } from '../../support/mirror-fakes.ts'

const ALLOWED = ['docker.io', 'ghcr.io', 'registry.test:5000', '127.0.0.1:5601', 'localhost:5000']
const DIGEST = digestOf(Buffer.from('layer'))

function resolver(
  init: { defaultNamespace?: string; history?: FakeHistory } = {},
): (query: Partial<NamespaceQuery>) => string | undefined {
  const { defaultNamespace, history = new FakeHistory() } = init
  const subject = new NamespaceResolver(
    { allows: namespaceAllowList(ALLOWED), defaultNamespace, extraHeaders: ['X-Agent-NS'] },
    { history },
  )
  return (query) => {
    const resolved = subject.resolve({ header: () => undefined, repository: 'lib/app', ...query })
    return resolved && `${resolved.via} ${resolved.origin.namespace} ${resolved.origin.repository}`
  }
}

function headers(values: Readonly<Record<string, string>>): NamespaceQuery['header'] {
  return (name) => values[name]
}

describe('the registry a request means', () => {
  test('is taken from ns before anything else in the request', () => {
    const resolve = resolver({ defaultNamespace: 'docker.io' })
    const query = {
      ns: 'ghcr.io',
      header: headers({ 'x-shoal-ns': 'docker.io' }),
      repository: 'docker.io/lib/app',
      listenerNamespace: 'docker.io',
    }
    assert.equal(resolve({ ...query, repository: 'lib/app' }), 'ns ghcr.io lib/app')
    assert.equal(
      resolve({ ...query, authority: 'registry.test:5000', repository: 'lib/app' }),
      'authority registry.test:5000 lib/app',
    )
  })

  test('may stand in the path as well as in ns, and is cut off then', () => {
    assert.equal(resolver()({ ns: 'ghcr.io', repository: 'ghcr.io/lib/app' }), 'ns ghcr.io lib/app')
    assert.equal(resolver()({ ns: 'index.docker.io', repository: 'docker.io/nginx' }), 'ns docker.io library/nginx')
  })

  test('is taken from a header, standard or configured, in any case of letters', () => {
    for (const name of ['x-shoal-ns', 'oci-namespace', 'x-agent-ns']) {
      assert.equal(resolver()({ header: headers({ [name]: ' GHCR.io ' }) }), 'header ghcr.io lib/app')
    }
  })

  test('is taken from the first component of the path when that looks like an allowed registry', () => {
    const resolve = resolver()
    assert.equal(resolve({ repository: 'ghcr.io/lib/app' }), 'path ghcr.io lib/app')
    assert.equal(resolve({ repository: '127.0.0.1:5601/lib/app' }), 'path 127.0.0.1:5601 lib/app')
    assert.equal(resolve({ repository: '127.0.0.1_5601/lib/app' }), 'path 127.0.0.1:5601 lib/app')
    assert.equal(resolve({ repository: 'localhost:5000/app' }), 'path localhost:5000 app')
    assert.equal(resolve({ repository: 'registry-1.docker.io/nginx' }), 'path docker.io library/nginx')
  })

  test('is not taken from a path that only looks like one', () => {
    const resolve = resolver({ defaultNamespace: 'ghcr.io' })
    assert.equal(resolve({ repository: 'my.team/app' }), 'default ghcr.io my.team/app')
    assert.equal(resolve({ repository: 'app_5000/x' }), 'default ghcr.io app_5000/x')
    assert.equal(resolve({ repository: '10.0.0.1:80/x' }), undefined)
  })

  test('is the listener, then where the digest was seen in that repository, then the default', () => {
    const history = new FakeHistory()
    history.note(
      DIGEST,
      { namespace: 'evil.test', repository: 'lib/app' },
      { namespace: 'docker.io', repository: 'lib/app' },
    )
    const resolve = resolver({ defaultNamespace: 'ghcr.io', history })
    assert.equal(
      resolve({ digest: DIGEST, listenerNamespace: 'registry.test:5000' }),
      'listener registry.test:5000 lib/app',
    )
    assert.equal(resolve({ digest: DIGEST }), 'history docker.io lib/app')
    assert.equal(resolve({ digest: DIGEST, repository: 'lib/other' }), 'default ghcr.io lib/other')
    assert.equal(resolve({}), 'default ghcr.io lib/app')
    assert.equal(resolver()({}), undefined)
  })

  test('is nobody when what was said is not allowed, rather than the next guess', () => {
    const resolve = resolver({ defaultNamespace: 'ghcr.io' })
    for (const ns of [
      '169.254.169.254',
      'evil.test',
      'ghcr.io@evil.test',
      'ghcr.io/x',
      'ghcr.io:0',
      '[::1]:5000',
      'ghcr.io\r\nx: y',
    ]) {
      assert.equal(resolve({ ns }), undefined, ns)
      assert.equal(resolve({ header: headers({ 'x-shoal-ns': ns }) }), undefined, ns)
    }
  })
})

describe('the allow-list', () => {
  test('takes exact names, domains, and every public-looking name', () => {
    const exact = namespaceAllowList(['registry.test:5000', 'Registry-1.docker.io'])
    assert.deepEqual(['registry.test:5000', 'docker.io', 'registry.test', 'registry.test:5001'].map(exact), [
      true,
      true,
      false,
      false,
    ])
    const domain = namespaceAllowList(['*.corp.internal'])
    assert.deepEqual(['a.corp.internal', 'a.b.corp.internal:5000', 'corp.internal', 'evilcorp.internal'].map(domain), [
      true,
      true,
      false,
      false,
    ])
    assert.ok(namespaceAllowList(['*'])('quay.io'))
  })

  test('lets no wildcard reach this machine, the link, or a metadata service', () => {
    const all = namespaceAllowList(['*', '*.0.1', '*.254'])
    const inward = [
      'localhost',
      'localhost:80',
      '127.0.0.1',
      '10.0.0.1:5000',
      '169.254.169.254',
      '[::1]',
      '[::ffff:169.254.169.254]:80',
    ]
    const disguised = [
      'metadata.google.internal',
      'x.localhost',
      'printer.local',
      'kubernetes',
      '169.0xfea9fe',
      '0x7f.1',
      '2852039166',
    ]
    for (const namespace of [...inward, ...disguised]) assert.equal(all(namespace), false, namespace)
  })
})
