import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  ClusterKey,
  formatIdentity,
  generateIdentity,
  InvalidClusterKeyError,
  parseClusterKey,
  parseIdentity,
  parsePeerAddress,
} from '../../src/p2p/index.ts'
import { multiaddrsOf } from '../../src/p2p/peer-address.ts'

/** Text that begins like the real thing, so that the parsers get past their first check. */
const nearlyKey = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ maxLength: 60 }).map((rest) => `shoal-cluster-key:1:${rest}`),
  fc.base64String({ maxLength: 200 }),
)

const nearlyAddress = fc.oneof(
  fc.string({ maxLength: 600 }),
  fc
    .array(
      fc.constantFrom(
        'ip4',
        'ip6',
        'dns4',
        'tcp',
        'p2p',
        'unix',
        '127.0.0.1',
        '::1',
        'host',
        '4001',
        '99999',
        'QmX',
        '',
      ),
      {
        maxLength: 9,
      },
    )
    .map((parts) => `/${parts.join('/')}`),
)

describe('parsers of keys, identities and addresses', () => {
  it('read a cluster key back as it was written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const key = new ClusterKey(bytes)
        assert.deepEqual(parseClusterKey(key.toText()).prologue(), key.prologue())
      }),
    )
  })

  it('answer any text with a cluster key that spells it, or an InvalidClusterKeyError', () => {
    fc.assert(
      fc.property(nearlyKey, (text) => {
        try {
          assert.equal(parseClusterKey(text).toText(), text.trim())
        } catch (error) {
          assert.ok(error instanceof InvalidClusterKeyError)
        }
      }),
    )
  })

  it('answer any text with an identity or undefined', async () => {
    await fc.assert(fc.asyncProperty(nearlyKey, async (text) => void (await parseIdentity(text))))
  })

  it('never take a damaged identity for a whole one', async () => {
    const text = formatIdentity(await generateIdentity())
    const damage = fc.record({
      at: fc.nat({ max: text.length - 1 }),
      put: fc.constantFrom('', 'A', 'z', '=', ' ', '\n'),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, put }) => {
        const damaged = text.slice(0, at) + put + text.slice(at + 1)
        const identity = await parseIdentity(damaged)
        if (identity !== undefined) assert.equal(formatIdentity(identity), damaged)
        assert.equal(await parseIdentity(text.slice(0, at)), undefined)
      }),
    )
  })

  it('answer any text with a peer whose address parses again, or undefined', () => {
    fc.assert(
      fc.property(nearlyAddress, (text) => {
        const peer = parsePeerAddress(text)
        if (peer === undefined) return
        for (const address of peer.addresses) assert.deepEqual(parsePeerAddress(address), peer)
      }),
    )
  })

  it('take no address that is not one', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(nearlyAddress, { maxLength: 30 }), (id, addresses) => {
        assert.ok(multiaddrsOf({ id, addresses }).length <= 16)
      }),
    )
  })
})
