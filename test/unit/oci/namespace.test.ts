import assert from 'node:assert/strict'
import { test } from 'node:test'
import { looksLikeNamespace, normalizeNamespace, originUrlOf, splitNamespace } from '../../../src/oci/index.ts'

test('every name of Docker Hub is docker.io', () => {
  for (const name of ['docker.io', 'registry-1.docker.io', 'index.docker.io', 'Docker.IO']) {
    assert.equal(normalizeNamespace(name), 'docker.io')
  }
  assert.equal(originUrlOf('docker.io'), 'https://registry-1.docker.io')
  assert.equal(originUrlOf('ghcr.io'), 'https://ghcr.io')
  assert.equal(originUrlOf('127.0.0.1:5000', { plainHttp: true }), 'http://127.0.0.1:5000')
})

test('a namespace is a host with or without a port', () => {
  for (const name of ['ghcr.io', 'registry.test:5000', 'localhost', '127.0.0.1:5000', '[::1]:5000', 'registry']) {
    assert.equal(normalizeNamespace(name), name)
  }
  const bad = [
    '',
    'a/b',
    'a b',
    'a:',
    'a:0',
    'a:65536',
    'a:b',
    '-a.test',
    'a..b',
    '[::1',
    '[x]:1',
    '::1',
    'user@host',
    'a?b',
    'a#b',
    'http://a',
  ]
  for (const name of [...bad, 'a.'.repeat(140)]) assert.equal(normalizeNamespace(name), undefined, name)
})

test('the first component of a name is a registry when it has a dot or a colon, or is localhost', () => {
  for (const component of ['docker.io', 'localhost', 'localhost:5000', 'a:5000', '10.0.0.1'])
    assert.ok(looksLikeNamespace(component))
  for (const component of ['library', 'registry', '', '..']) assert.ok(!looksLikeNamespace(component), component)
  assert.deepEqual(splitNamespace('index.docker.io/library/nginx'), {
    namespace: 'docker.io',
    repository: 'library/nginx',
  })
  assert.deepEqual(splitNamespace('library/nginx'), { namespace: undefined, repository: 'library/nginx' })
  assert.deepEqual(splitNamespace('nginx'), { namespace: undefined, repository: 'nginx' })
})
