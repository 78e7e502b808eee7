import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { catalogLab, FakeDocumentPeers, manifestOf, REPOSITORY } from '../../support/catalog-fakes.ts'

const manifest = manifestOf('app')
const SECRET = { namespace: 'registry.test', repository: 'secret/app' }

describe('a manifest', () => {
  it('is fetched once, and what it names is remembered as belonging to its repository', async () => {
    const { catalog, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    for (let i = 0; i < 2; i++) {
      assert.deepEqual((await catalog.manifest([REPOSITORY], manifest.digest, {}))?.bytes, manifest.bytes)
    }
    assert.deepEqual(origin.asked, [`GET ${manifest.digest}`])
    assert.deepEqual(await catalog.blobRef(manifest.layer, [REPOSITORY], {}), { digest: manifest.layer, sizeBytes: 7 })
    assert.equal(catalog.originsOf(manifest.layer)[0]?.repository, REPOSITORY.repository)
  })

  it('is fetched once by all who ask at the same time', async () => {
    const { catalog, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    await Promise.all([1, 2, 3].map(async () => await catalog.manifest([REPOSITORY], manifest.digest, {})))
    assert.equal(origin.asked.length, 1)
  })

  it('stored for one repository is not given to who names another', async () => {
    const { catalog, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    await catalog.manifest([SECRET], manifest.digest, {})
    origin.tags.clear()
    assert.equal(await catalog.manifest([REPOSITORY], manifest.digest, {}), undefined)
    assert.deepEqual((await catalog.manifest([SECRET], manifest.digest, {}))?.bytes, manifest.bytes)
  })

  it('comes from an agent when the origin is down, if it is known to belong to the repository', async () => {
    const peers = new FakeDocumentPeers([], ['agent'])
    peers.replies.set('agent', { kind: 'manifest', document: manifest })
    const { catalog, store, origin } = catalogLab(peers)
    origin.isDown = true
    await assert.rejects(catalog.manifest([REPOSITORY], manifest.digest, {}), { code: 'UNREACHABLE' })
    store.noteHistory(manifest.digest, REPOSITORY)
    assert.deepEqual((await catalog.manifest([REPOSITORY], manifest.digest, {}))?.bytes, manifest.bytes)
  })

  it('says nothing about layers it takes from elsewhere: registries let it name any digest there', async () => {
    const { catalog, origin } = catalogLab()
    const secret = digestOf(Buffer.from('a layer of another repository'))
    const size = 7
    const foreign = ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'].map((mediaType) => ({
      mediaType,
      digest: secret,
      size,
      urls: ['https://elsewhere.test/layer'],
    }))
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifest.mediaType, layers: foreign }))
    const document = { digest: digestOf(bytes), mediaType: manifest.mediaType, bytes }
    origin.tags.set('v1', document)
    await catalog.manifest([REPOSITORY], document.digest, {})
    assert.deepEqual(catalog.originsOf(secret), [])
  })

  it('that an agent gives under a wrong media type keeps its own', async () => {
    const peers = new FakeDocumentPeers([], ['agent'])
    peers.replies.set('agent', { kind: 'manifest', document: { ...manifest, mediaType: 'text/html\r\nx: y' } })
    const { catalog, store, origin } = catalogLab(peers)
    origin.isDown = true
    store.noteHistory(manifest.digest, REPOSITORY)
    assert.equal((await catalog.manifest([REPOSITORY], manifest.digest, {}))?.mediaType, manifest.mediaType)
  })

  it('that cannot be stored is still served', async () => {
    const { catalog, store, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    store.putDocument = async () => {
      throw new Error('disk full')
    }
    assert.equal((await catalog.manifest([REPOSITORY], manifest.digest, {}))?.digest, manifest.digest)
  })
})

describe('an answer to a peer', () => {
  it('gives an agent only manifests that belong to the repository it names', async () => {
    const { catalog, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    await catalog.manifest([SECRET], manifest.digest, {})
    const ask = async (at: typeof SECRET, mayAskOrigin: boolean) =>
      await catalog.answer({ kind: 'manifest', origin: at, digest: manifest.digest }, mayAskOrigin, {})
    assert.equal((await ask(SECRET, false)).kind, 'manifest')
    assert.equal((await ask(REPOSITORY, false)).kind, 'none')
    origin.tags.clear()
    assert.equal((await ask(REPOSITORY, true)).kind, 'none')
  })

  it('asks the origin for a tag only where that is its part', async () => {
    const { catalog, origin } = catalogLab()
    origin.tags.set('v1', manifest)
    assert.deepEqual(await catalog.answer({ kind: 'tag', origin: REPOSITORY, tag: 'v1' }, false, {}), { kind: 'none' })
    assert.deepEqual(origin.asked, [])
    const reply = await catalog.answer({ kind: 'tag', origin: REPOSITORY, tag: 'v1' }, true, {})
    assert.ok(reply.kind === 'tag' && reply.descriptor.digest === manifest.digest && reply.ageMs === 0)
  })

  it('says whether anybody may read a repository, as far as it has seen', async () => {
    const { catalog, publicRepositories } = catalogLab()
    const request = { kind: 'public', origin: REPOSITORY } as const
    assert.deepEqual(await catalog.answer(request, true, {}), { kind: 'public', isPublic: false })
    publicRepositories.add(REPOSITORY.repository)
    assert.deepEqual(await catalog.answer(request, true, {}), { kind: 'public', isPublic: true })
  })

  it('says so of a digest only when the digest belongs to the repository', async () => {
    const { catalog, origin, publicRepositories, confirmed } = catalogLab()
    publicRepositories.add(REPOSITORY.repository)
    const request = { kind: 'public', origin: REPOSITORY, digest: manifest.layer } as const
    assert.deepEqual(await catalog.answer(request, true, {}), { kind: 'public', isPublic: false })
    origin.tags.set('v1', manifest)
    await catalog.answer({ kind: 'manifest', origin: REPOSITORY, digest: manifest.digest }, true, {})
    assert.deepEqual(confirmed, [REPOSITORY.repository])
    assert.deepEqual(await catalog.answer(request, true, {}), { kind: 'public', isPublic: true })
  })

  it('of a tracker is taken for whether anybody may read a repository', async () => {
    const peers = new FakeDocumentPeers(['tracker'], [])
    const { catalog } = catalogLab(peers)
    assert.equal(await catalog.confirmedByTracker(REPOSITORY, undefined, {}), false)
    peers.replies.set('tracker', { kind: 'public', isPublic: true })
    assert.equal(await catalog.confirmedByTracker(REPOSITORY, undefined, {}), true)
    assert.deepEqual(catalog.originsOf(manifest.layer), [])
    assert.equal(await catalog.confirmedByTracker(REPOSITORY, manifest.layer, {}), true)
    assert.equal(catalog.originsOf(manifest.layer)[0]?.repository, REPOSITORY.repository)
  })
})

describe('the size of a blob', () => {
  it('is asked of the origins in turn, and a failure counts only when nobody has it', async () => {
    const { catalog, origin } = catalogLab()
    assert.equal(await catalog.blobRef(manifest.layer, [], {}), undefined)
    origin.isDown = true
    await assert.rejects(catalog.blobRef(manifest.layer, [REPOSITORY], {}), { code: 'UNREACHABLE' })
    origin.isDown = false
    assert.equal((await catalog.blobRef(manifest.layer, [REPOSITORY], {}))?.sizeBytes, 7)
    await catalog.blobRef(manifest.layer, [REPOSITORY], {})
    assert.equal(origin.asked.length, 2)
  })
})
