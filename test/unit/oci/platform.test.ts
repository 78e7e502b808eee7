import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  choosePlatform,
  type Descriptor,
  matchesPlatform,
  parseManifest,
  parsePlatform,
} from '../../../src/oci/index.ts'

function platform(text: string) {
  const parsed = parsePlatform(text)
  assert.ok(parsed, text)
  return parsed
}

function indexOf(...platforms: (string | undefined)[]): readonly Descriptor[] {
  const manifests = platforms.map((text, i) => {
    const [os, architecture, variant] = text?.split('/') ?? []
    const field = text === undefined ? {} : { platform: { os, architecture, variant } }
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: `sha256:${`${i}`.repeat(64)}`,
      size: 1,
      ...field,
    }
  })
  return parseManifest('', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))).manifests
}

function chosen(machine: string, ...platforms: (string | undefined)[]): number {
  const manifests = indexOf(...platforms)
  const choice = choosePlatform(manifests, platform(machine))
  return choice === undefined ? -1 : manifests.indexOf(choice)
}

test('platforms are read with the aliases of architectures', () => {
  assert.ok(matchesPlatform(platform('linux/x86_64'), platform('linux/amd64')))
  assert.ok(matchesPlatform(platform('linux/aarch64'), platform('linux/arm64/v8')))
  assert.ok(matchesPlatform(platform('linux/armhf'), platform('linux/arm/v7')))
  for (const text of ['linux', 'linux/', '/amd64', 'a/b/c/d', 'linux/am d64'])
    assert.equal(parsePlatform(text), undefined, text)
})

test('an older variant runs, a newer one does not', () => {
  assert.ok(matchesPlatform(platform('linux/arm/v7'), platform('linux/arm/v6')))
  assert.ok(!matchesPlatform(platform('linux/arm/v6'), platform('linux/arm/v7')))
  assert.ok(matchesPlatform(platform('linux/amd64/v3'), platform('linux/amd64')))
  assert.ok(!matchesPlatform(platform('linux/amd64'), platform('linux/amd64/v3')))
})

test('the best manifest of an index is chosen', () => {
  assert.equal(chosen('linux/amd64', 'linux/arm64', 'linux/amd64', 'unknown/unknown'), 1)
  assert.equal(chosen('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm64'), 1)
  assert.equal(chosen('linux/arm64', 'linux/arm64/v8'), 0)
  assert.equal(chosen('linux/s390x', 'linux/amd64', 'windows/s390x'), -1)
})

test('a lone manifest without a platform is for everybody', () => {
  assert.equal(chosen('linux/amd64', undefined), 0)
  assert.equal(chosen('linux/amd64', undefined, undefined), -1)
})
