import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { ClusterKey, generateClusterKey, InvalidClusterKeyError, parseClusterKey } from '../../../src/p2p/index.ts'

describe('cluster key', () => {
  it('comes back from its text with the same prologue', () => {
    const key = generateClusterKey()
    assert.deepEqual(parseClusterKey(` ${key.toText()}\n`).prologue(), key.prologue())
  })

  it('gives another prologue for another key, and never the key itself', () => {
    const bytes = new Uint8Array(32).fill(7)
    const prologue = new ClusterKey(bytes).prologue()
    assert.equal(prologue.byteLength, 32)
    assert.notDeepEqual(prologue, generateClusterKey().prologue())
    assert.notDeepEqual(Buffer.from(prologue), Buffer.from(bytes))
  })

  it('has one prologue for all releases, since agents of two releases have to talk', () => {
    const key = new ClusterKey(new Uint8Array(32).fill(1))
    assert.equal(
      Buffer.from(key.prologue()).toString('hex'),
      '92add788d9636b49533327b8fe08f0aae74e76712f4f88ce88bbafdc89b63adb',
    )
  })

  it('does not show its bytes when it is logged', () => {
    const key = generateClusterKey()
    const secret = key.toText().slice(-20)
    for (const shown of [String(key), JSON.stringify({ key }), inspect({ key }, { depth: 9 })]) {
      assert.ok(!shown.includes(secret))
      assert.match(shown, /cluster key/)
    }
  })

  for (const [what, text] of [
    ['nothing', ''],
    ['bare base64', Buffer.alloc(32).toString('base64url')],
    ['a later version', generateClusterKey().toText().replace(':1:', ':2:')],
    ['too few bytes', `shoal-cluster-key:1:${Buffer.alloc(31).toString('base64url')}`],
    ['too many bytes', `shoal-cluster-key:1:${Buffer.alloc(33).toString('base64url')}`],
    ['stray characters', `shoal-cluster-key:1:${'A'.repeat(42)}!A`],
    ['set bits after the last byte', `shoal-cluster-key:1:${'A'.repeat(42)}B`],
  ] as const) {
    it(`refuses ${what} without repeating it`, () => {
      assert.throws(
        () => parseClusterKey(text),
        (error) =>
          error instanceof InvalidClusterKeyError && (text.length < 30 || !error.message.includes(text.slice(20))),
      )
    })
  }
})
