import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { credentialsIn, helperFor, parseDockerConfig } from '../../../src/origin/docker-config.ts'

function configOf(auths: Record<string, object>, more: object = {}) {
  return parseDockerConfig(JSON.stringify({ auths, ...more }))
}

function entry(name: string) {
  return { auth: Buffer.from(`${name}:secret:with:colons`).toString('base64') }
}

function userOf(auths: Record<string, object>, host: string, repository = 'a/b'): string | undefined {
  const credentials = credentialsIn(configOf(auths), host, repository)
  return credentials?.kind === 'password' ? credentials.username : undefined
}

suite('a docker config file', () => {
  test('names hosts in every way docker has written them', () => {
    for (const key of [
      'ghcr.io',
      'https://ghcr.io',
      'http://ghcr.io/',
      'https://ghcr.io/v1/',
      'https://ghcr.io/v2/',
      'GHCR.io',
    ]) {
      assert.equal(userOf({ [key]: entry('u') }, 'ghcr.io'), 'u', key)
    }
    for (const key of ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io']) {
      assert.equal(userOf({ [key]: entry('u') }, 'docker.io'), 'u', key)
    }
    assert.equal(userOf({ 'ghcr.io': entry('u') }, 'ghcr.io:8443'), undefined)
    assert.equal(userOf({ 'ghcr.io': entry('u') }, 'notghcr.io'), undefined)
  })

  test('has patterns and paths, of which the longest path wins', () => {
    const auths = {
      '*.example.com': entry('glob'),
      'r.example.com': entry('host'),
      'r.example.com/team': entry('team'),
    }
    assert.equal(userOf(auths, 'x.example.com'), 'glob')
    assert.equal(userOf(auths, 'x.y.example.com'), undefined, 'a * is one label')
    assert.equal(userOf(auths, 'r.example.com'), 'host')
    assert.equal(userOf(auths, 'r.example.com', 'team/app'), 'team')
    assert.equal(userOf(auths, 'r.example.com', 'teammates/app'), 'host')
  })

  test('holds passwords, user and password apart, and identity tokens', () => {
    const config = configOf({
      a: entry('u'),
      b: { username: 'v', password: 'w' },
      c: { identitytoken: 't', ...entry('x') },
      d: {},
      e: { auth: '***' },
    })
    assert.deepEqual(credentialsIn(config, 'a', ''), {
      kind: 'password',
      username: 'u',
      password: 'secret:with:colons',
    })
    assert.deepEqual(credentialsIn(config, 'b', ''), { kind: 'password', username: 'v', password: 'w' })
    assert.deepEqual(credentialsIn(config, 'c', ''), { kind: 'identity', token: 't' })
    assert.equal(credentialsIn(config, 'd', ''), undefined)
    assert.equal(credentialsIn(config, 'e', ''), undefined)
  })

  test('names helpers, one host’s own before the common one', () => {
    const config = configOf({}, { credsStore: 'all', credHelpers: { 'a.test': 'own', 'docker.io': 'hub' } })
    assert.deepEqual(helperFor(config, 'a.test'), { helper: 'own', server: 'a.test' })
    assert.deepEqual(helperFor(config, 'b.test'), { helper: 'all', server: 'b.test' })
    assert.deepEqual(helperFor(config, 'docker.io'), { helper: 'hub', server: 'https://index.docker.io/v1/' })
    assert.equal(helperFor(configOf({}), 'a.test'), undefined)
  })

  test('that is none is refused', () => {
    for (const text of ['', '[]', '{"auths":[]}', '{"auths":{"a":"b"}}'])
      assert.throws(() => parseDockerConfig(text), text)
    assert.deepEqual(parseDockerConfig('{}').auths, {})
  })

  test('that is not JSON is refused without a word of what it says', () => {
    assert.throws(
      () => parseDockerConfig('{"auths":{"a":{"username":"u","password":hunter2}}}'),
      ({ message, cause }: Error) => !message.includes('hunter2') && cause === undefined,
    )
  })
})
