import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catalogLab, descriptorOf, FakeDocumentPeers, manifestOf, REPOSITORY } from '../../support/catalog-fakes.ts'

const manifest = manifestOf('app')
const newer = manifestOf('newer app')
const AUTHORIZATION = 'Bearer secret'

/** A peer's word for what the tag stands for. */
function tagReply(document: typeof manifest, ageMs = 0) {
  return { kind: 'tag', descriptor: descriptorOf(document), ageMs } as const
}

describe('a tag', () => {
  it('is asked for once within its time to live, then again', async () => {
    const { catalog, clock, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    for (let i = 0; i < 3; i++) {
      assert.equal((await catalog.resolveTag(REPOSITORY, 'v1', {}))?.digest, manifest.digest)
    }
    assert.equal(origin.asked.length, 1)
    await clock.advance(60_000)
    origin.tags.set('v1', newer)
    assert.equal((await catalog.resolveTag(REPOSITORY, 'v1', {}))?.digest, newer.digest)
  })

  it('is asked for once by all who ask at the same time', async () => {
    const { catalog, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    const gate = Promise.withResolvers<void>()
    origin.gate = gate.promise
    const asking = [1, 2, 3].map(async () => await catalog.resolveTag(REPOSITORY, 'v1', {}))
    gate.resolve()
    const digests = (await Promise.all(asking)).map((found) => found?.digest)
    assert.deepEqual(digests, Array(3).fill(manifest.digest))
    assert.equal(origin.asked.length, 1)
  })

  it('that the origin does not have is nothing, not an error', async () => {
    const { catalog } = catalogLab()
    assert.equal(await catalog.resolveTag(REPOSITORY, 'none', {}), undefined)
  })

  it('is asked of a tracker first', async () => {
    const peers = new FakeDocumentPeers(['tracker'], [])
    peers.replies.set('tracker', tagReply(manifest, 10_000))
    const { catalog, clock, origin } = catalogLab(peers)
    assert.equal((await catalog.resolveTag(REPOSITORY, 'v1', {}))?.digest, manifest.digest)
    assert.deepEqual(origin.asked, [])
    // The age at the tracker counts: after 50 s more it is a minute old.
    await clock.advance(50_000)
    await catalog.resolveTag(REPOSITORY, 'v1', {})
    assert.equal(peers.asked.length, 2)
  })

  it('with credentials is asked of the origin, for a tracker would ask in its own name', async () => {
    const peers = new FakeDocumentPeers(['tracker'], [])
    peers.replies.set('tracker', tagReply(newer))
    const { catalog, origin } = catalogLab(peers)
    origin.tags.set('v1', manifest)
    const found = await catalog.resolveTag(REPOSITORY, 'v1', { authorization: AUTHORIZATION })
    assert.equal(found?.digest, manifest.digest)
    assert.deepEqual(peers.asked, [])
  })

  it('that a tracker saw too long ago is asked of the origin', async () => {
    const peers = new FakeDocumentPeers(['tracker'], [])
    peers.replies.set('tracker', tagReply(manifest, 60_001))
    const { catalog, origin } = catalogLab(peers)
    origin.tags.set('v1', newer)
    assert.equal((await catalog.resolveTag(REPOSITORY, 'v1', {}))?.digest, newer.digest)
  })

  it('that agents agree on has the type and size they agree on', async () => {
    const peers = new FakeDocumentPeers([], ['honest', 'liar', 'honest too'])
    const lie = { ...tagReply(manifest), descriptor: { ...descriptorOf(manifest), mediaType: 'text/html' } }
    peers.replies.set('honest', tagReply(manifest)).set('liar', lie).set('honest too', tagReply(manifest))
    const { catalog, origin } = catalogLab(peers)
    origin.isDown = true
    assert.deepEqual(await catalog.resolveTag(REPOSITORY, 'v1', {}), descriptorOf(manifest))
  })

  it('is served as last seen while the origin is down, up to the limit', async () => {
    const { catalog, clock, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    await catalog.resolveTag(REPOSITORY, 'v1', {})
    origin.isDown = true
    await clock.advance(3_599_000)
    assert.equal((await catalog.resolveTag(REPOSITORY, 'v1', {}))?.digest, manifest.digest)
    await clock.advance(1_000)
    await assert.rejects(catalog.resolveTag(REPOSITORY, 'v1', {}), { code: 'UNREACHABLE' })
  })

  it('with the origin down is what two agents agree on, and one agent is not enough', async () => {
    const peers = new FakeDocumentPeers([], ['a', 'b', 'c', 'gone'])
    peers.replies.set('a', tagReply(manifest))
    peers.replies.set('b', tagReply(newer))
    const { catalog, origin } = catalogLab(peers)
    origin.isDown = true
    await assert.rejects(catalog.resolveTag(REPOSITORY, 'v1', {}), { code: 'UNREACHABLE' })
    peers.replies.set('c', tagReply(newer, 3_600_000))
    await assert.rejects(catalog.resolveTag(REPOSITORY, 'v1', {}), { code: 'UNREACHABLE' })
    peers.replies.set('c', tagReply(newer, 100_000))
    assert.equal((await catalog.resolveTag(REPOSITORY, 'v1', {}))?.digest, newer.digest)
  })
})
