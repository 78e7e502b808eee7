import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseContentRange } from '../../src/origin/content-range.ts'
import { credentialsIn, parseDockerConfig } from '../../src/origin/docker-config.ts'
import { OriginBrokenError } from '../../src/origin/index.ts'
import { placeOf } from '../../src/origin/place.ts'
import { realmTrust } from '../../src/origin/realm-policy.ts'
import { redirectTarget } from '../../src/origin/redirect-policy.ts'
import { parseRetryAfter } from '../../src/origin/retry-after.ts'

test('a Content-Range is inside of its blob, and one written out is read back', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), (start, length, rest) => {
      const end = start + length + 1
      const range = parseContentRange(`bytes ${start}-${end - 1}/${end + rest}`)
      assert.deepEqual(range, { start, end, totalBytes: end + rest })
    }),
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      const range = parseContentRange(`bytes ${text}`)
      assert.ok(
        range === undefined || (range.start < range.end && range.end <= (range.totalBytes ?? Number.POSITIVE_INFINITY)),
      )
    }),
  )
})

test('any Retry-After is a wait of up to a day or none', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.integer().map(String),
        fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
      ),
      (text) => {
        const waitMs = parseRetryAfter(text, 1_700_000_000_000)
        assert.ok(waitMs === undefined || (waitMs >= 0 && waitMs <= 86_400_000))
      },
    ),
  )
})

test('no redirect of a registry elsewhere leads to loopback in any spelling of the address', () => {
  const place = placeOf('registry.test', { plainHttp: true })
  const loopback = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).chain(([b, c, d]) => {
    const number = ((127 << 24) | (b << 16) | (c << 8) | d) >>> 0
    return fc.constantFrom(
      `127.${b}.${c}.${d}`,
      String(number),
      `0x${number.toString(16)}`,
      `[::ffff:127.${b}.${c}.${d}]`,
      `0177.${b}.${c}.${d}`,
    )
  })
  fc.assert(
    fc.property(loopback, (host) => {
      assert.throws(() => redirectTarget(place, place.baseUrl, `http://${host}/x`), OriginBrokenError)
    }),
  )
})

test('any Location leads to http or https, or is refused', () => {
  const place = placeOf('registry.test', {})
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.webUrl().map((url) => url.replace('http', 'ftp')),
      ),
      (location) => {
        try {
          assert.equal(redirectTarget(place, place.baseUrl, location).protocol, 'https:')
        } catch (error) {
          assert.ok(error instanceof OriginBrokenError)
        }
      },
    ),
  )
})

test('credentials go to no domain that shares less than its owner with the registry', () => {
  const label = fc.stringMatching(/^[a-z]{4,8}$/)
  fc.assert(
    fc.property(label, label, label, (host, domain, other) => {
      fc.pre(domain !== other)
      const place = placeOf(`${host}.${domain}.com`, {})
      assert.equal(realmTrust(place, new URL(`https://auth.${domain}.com/token`)), 'credentials')
      assert.equal(realmTrust(place, new URL(`https://${host}.${other}.com/token`)), 'anonymous')
      assert.equal(realmTrust(place, new URL(`https://${domain}.com.${other}.org/token`)), 'anonymous')
    }),
  )
})

test('any auth entry is credentials or none', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, auth) => {
      const config = parseDockerConfig(JSON.stringify({ auths: { [key]: { auth } } }))
      const credentials = credentialsIn(config, 'registry.test', 'a')
      assert.ok(credentials === undefined || credentials.kind === 'password')
    }),
  )
})
