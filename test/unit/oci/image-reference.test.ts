import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imageReferenceText, parseImageReference } from '../../../src/oci/index.ts'

const DIGEST = `sha256:${'0'.repeat(64)}`

const READS: Record<string, string> = {
  nginx: 'docker.io/library/nginx:latest',
  'nginx:1.25': 'docker.io/library/nginx:1.25',
  'user/app': 'docker.io/user/app:latest',
  'docker.io/nginx': 'docker.io/library/nginx:latest',
  'index.docker.io/library/nginx:1': 'docker.io/library/nginx:1',
  'ghcr.io/a/b/c:v1': 'ghcr.io/a/b/c:v1',
  'localhost:5000/app': 'localhost:5000/app:latest',
  'registry.test:5000/app:v1': 'registry.test:5000/app:v1',
  [`quay.io/a@${DIGEST}`]: `quay.io/a@${DIGEST}`,
  [`quay.io/a:v1@${DIGEST}`]: `quay.io/a:v1@${DIGEST}`,
}

for (const [text, expected] of Object.entries(READS)) {
  test(`reads ${text}`, () => {
    const image = parseImageReference(text)
    assert.ok(image)
    assert.equal(imageReferenceText(image), expected)
    assert.deepEqual(parseImageReference(expected), image)
  })
}

test('refuses what is not an image reference', () => {
  for (const text of [
    '',
    ':v1',
    'nginx:',
    'NGINX',
    'a@sha256:1',
    'a@',
    'ghcr.io/',
    'http://ghcr.io/a',
    'a:b:c',
    'a b',
    'a'.repeat(2000),
  ]) {
    assert.equal(parseImageReference(text), undefined, text)
  }
})
