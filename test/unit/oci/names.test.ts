import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRepositoryName, isTag, parseReference } from '../../../src/oci/index.ts'

const DIGEST = `sha256:${'a1'.repeat(32)}`

test('repository names follow the grammar of the distribution specification', () => {
  for (const name of ['a', 'library/nginx', 'a/b/c', 'a.b', 'a_b', 'a__b', 'a--b/c-d', '0', 'docker.io/library/x']) {
    assert.ok(isRepositoryName(name), name)
  }
  for (const name of [
    '',
    '/',
    'a/',
    '/a',
    'A',
    'a//b',
    'a..b',
    'a___b',
    '.a',
    'a.',
    'a/../b',
    '..',
    'a b',
    'a:b',
    'a\n',
    'a'.repeat(256),
  ]) {
    assert.ok(!isRepositoryName(name), name)
  }
})

test('tags have up to 128 characters and do not begin with a dot or a dash', () => {
  for (const tag of ['v1', 'V1.2-3_4', '_x', 'a'.repeat(128)]) assert.ok(isTag(tag), tag)
  for (const tag of ['', '.a', '-a', 'a/b', 'a:b', 'a'.repeat(129), 'a\n']) assert.ok(!isTag(tag), tag)
})

test('a reference is a digest or a tag', () => {
  assert.deepEqual(parseReference(DIGEST), { kind: 'digest', digest: DIGEST })
  assert.deepEqual(parseReference('latest'), { kind: 'tag', tag: 'latest' })
  for (const text of ['', 'sha256:abc', DIGEST.toUpperCase(), `sha512:${'0'.repeat(128)}`])
    assert.equal(parseReference(text), undefined, text)
})
