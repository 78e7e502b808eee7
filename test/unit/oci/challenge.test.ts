import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseChallenges } from '../../../src/oci/index.ts'

function read(header: string | readonly string[]) {
  return parseChallenges(header).map(({ scheme, token68, params }) => ({
    scheme,
    token68,
    params: Object.fromEntries(params),
  }))
}

suite('WWW-Authenticate', () => {
  test('as Docker Hub sends it', () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull,push"'
    assert.deepEqual(read(header), [
      {
        scheme: 'bearer',
        token68: undefined,
        params: {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:library/nginx:pull,push',
        },
      },
    ])
  })

  test('with several challenges in one value (RFC 9110, section 11.6.1)', () => {
    const header =
      'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\", please", Negotiate, NTLM TlRMTVNTUAAB=='
    assert.deepEqual(read(header), [
      { scheme: 'basic', token68: undefined, params: { realm: 'simple' } },
      { scheme: 'newauth', token68: undefined, params: { realm: 'apps', type: '1', title: 'Login to "apps", please' } },
      { scheme: 'negotiate', token68: undefined, params: {} },
      { scheme: 'ntlm', token68: 'TlRMTVNTUAAB==', params: {} },
    ])
  })

  test('with several values', () => {
    assert.deepEqual(
      read(['Basic realm="a"', 'Bearer realm="b"']).map(({ scheme }) => scheme),
      ['basic', 'bearer'],
    )
  })

  test('with empty list elements, spaces around =, a bare URL and upper-case names', () => {
    assert.deepEqual(read(' , Bearer REALM = "x" , , service=https://a.test/b?c=d,,'), [
      { scheme: 'bearer', token68: undefined, params: { realm: 'x', service: 'https://a.test/b?c=d' } },
    ])
  })

  test('takes the first of a parameter given twice', () => {
    assert.equal(parseChallenges('Bearer realm="a",realm="b"')[0]?.params.get('realm'), 'a')
  })

  test('skips what breaks the grammar and reads on', () => {
    assert.deepEqual(
      read('realm="lost", Bearer realm="x", @@@, Basic realm="y"').map(({ scheme, params }) => [
        scheme,
        params['realm'],
      ]),
      [
        ['bearer', 'x'],
        ['basic', 'y'],
      ],
    )
    assert.deepEqual(read('Bearer realm="never closed'), [
      { scheme: 'bearer', token68: undefined, params: { realm: '' } },
    ])
    assert.deepEqual(read(''), [])
  })

  test('is bounded', () => {
    assert.equal(parseChallenges('Basic,'.repeat(1000)).length, 16)
    assert.deepEqual(parseChallenges(`Bearer realm="${'x'.repeat(20_000)}"`), [])
  })
})
