import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isForbiddenAddress } from '../../../src/origin/address-policy.ts'
import { OriginBrokenError } from '../../../src/origin/index.ts'
import { placeOf } from '../../../src/origin/place.ts'
import { realmTrust } from '../../../src/origin/realm-policy.ts'
import { redirectTarget } from '../../../src/origin/redirect-policy.ts'
import type { RegistrySettings } from '../../../src/origin/settings.ts'

function trust(namespace: string, realm: string, settings: RegistrySettings = {}): string {
  return realmTrust(placeOf(namespace, settings), new URL(realm))
}

function redirect(namespace: string, location: string | undefined, settings: RegistrySettings = {}): string {
  const place = placeOf(namespace, settings)
  return redirectTarget(place, new URL('a/blobs/x', place.baseUrl), location).href
}

suite('where a registry is', () => {
  test('follows from its namespace or its URL', () => {
    assert.equal(placeOf('docker.io', {}).baseUrl.href, 'https://registry-1.docker.io/v2/')
    assert.equal(placeOf('docker.io', {}).credentialHost, 'docker.io')
    assert.equal(placeOf('a.test:5000', { plainHttp: true }).baseUrl.href, 'http://a.test:5000/v2/')
    const proxy = placeOf('docker.io', { url: 'https://harbor.test/hub/' })
    assert.equal(proxy.baseUrl.href, 'https://harbor.test/hub/v2/')
    assert.equal(proxy.credentialHost, 'harbor.test', 'Docker Hub’s password is not for a proxy')
    assert.throws(() => placeOf('a.test', { url: 'ftp://a.test' }), TypeError)
  })
})

suite('the realm of a challenge', () => {
  test('gets credentials on the registry’s own host, its siblings and configured hosts', () => {
    assert.equal(trust('docker.io', 'https://auth.docker.io/token'), 'credentials')
    assert.equal(trust('ghcr.io', 'https://ghcr.io/token'), 'credentials')
    assert.equal(trust('registry.gitlab.com', 'https://gitlab.com/jwt/auth'), 'credentials')
    assert.equal(trust('a.test', 'https://login.example/token', { realmHosts: ['login.example'] }), 'credentials')
    assert.equal(trust('127.0.0.1:5000', 'http://127.0.0.1:5001/token', { plainHttp: true }), 'credentials')
  })

  test('gets none on a host of somebody else', () => {
    assert.equal(trust('ghcr.io', 'https://evil.io/token'), 'anonymous')
    assert.equal(trust('docker.io', 'https://docker.io.evil.test/token'), 'anonymous')
    assert.equal(trust('docker.io', 'https://evildocker.io/token'), 'anonymous')
    assert.equal(trust('registry.co.uk', 'https://evil.co.uk/token'), 'anonymous')
    assert.equal(trust('mine.azurecr.io', 'https://other.azurecr.io/token'), 'anonymous')
    assert.equal(trust('10.0.0.5', 'https://10.0.0.6/token'), 'anonymous')
  })

  test('is not asked in the clear, nor inside this machine', () => {
    assert.equal(trust('ghcr.io', 'http://auth.test/token'), 'refused')
    assert.equal(trust('ghcr.io', 'file:///etc/passwd'), 'refused')
    assert.equal(trust('ghcr.io', 'https://169.254.169.254/latest'), 'refused')
    assert.equal(trust('ghcr.io', 'https://[::ffff:127.0.0.1]/'), 'refused')
    assert.equal(trust('ghcr.io', 'http://ghcr.io/token'), 'anonymous', 'no password over http to a registry of https')
  })
})

suite('a redirect', () => {
  test('leads to storage elsewhere, on private networks too, or to another path', () => {
    assert.equal(redirect('ghcr.io', 'https://storage.test/x?sig=1'), 'https://storage.test/x?sig=1')
    assert.equal(redirect('ghcr.io', '/other'), 'https://ghcr.io/other')
    assert.equal(redirect('a.test', 'http://10.0.0.7/x', { plainHttp: true }), 'http://10.0.0.7/x')
    assert.equal(redirect('127.0.0.1:5000', 'http://127.0.0.1:9/x', { plainHttp: true }), 'http://127.0.0.1:9/x')
  })

  const inside = [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0.0.0.0',
    '[::1]',
    '[::ffff:7f00:1]',
    '169.254.169.254',
    '[fe80::1]',
    '100.100.100.200',
    'localhost',
    'x.localhost',
    'localhost.',
  ]
  for (const host of inside) {
    test(`never leads from elsewhere to ${host}`, () => {
      assert.throws(() => redirect('a.test', `http://${host}/x`, { plainHttp: true }), OriginBrokenError)
    })
  }

  test('never leads out of http, down to http, with credentials, or nowhere', () => {
    for (const location of [
      'file:///x',
      'gopher://a.test',
      'http://a.test/x',
      'https://u:p@a.test/x',
      'http://[',
      undefined,
    ]) {
      assert.throws(() => redirect('a.test', location), OriginBrokenError, location)
    }
  })
})

test('addresses of this machine, the link and metadata services are forbidden, others are not', () => {
  for (const address of [
    '127.0.0.1',
    '127.255.0.1',
    '0.0.0.0',
    '169.254.0.1',
    '::1',
    '::',
    'fe80::1',
    '::ffff:169.254.169.254',
    'fd00:ec2::254',
  ]) {
    assert.ok(isForbiddenAddress(address), address)
  }
  for (const address of ['10.0.0.1', '192.168.1.1', '8.8.8.8', 'fd00::1', '2001:db8::1'])
    assert.ok(!isForbiddenAddress(address), address)
})
