import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { MAX_CACHED_PEERS, PeerCache } from '../../../src/discovery/peer-cache.ts'
import { generateIdentity, peerIdOf } from '../../../src/p2p/index.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { tempFolder } from '../../support/scope.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const ADDRESS = '/ip4/10.0.0.1/tcp/4001'
const DAY_MS = 24 * 3600 * 1000

function cacheOf(file: string, clock = new VirtualClock()): PeerCache {
  return new PeerCache({ file }, { clock, random: () => 0, logger: silentLogger() })
}

async function peerIds(count: number): Promise<string[]> {
  return await Promise.all(Array.from({ length: count }, async () => peerIdOf(await generateIdentity())))
}

describe('peer cache', () => {
  it('gives the peers of earlier to the next process', async () => {
    await using folder = await tempFolder('peers')
    const file = join(folder.path, 'state', 'peers.json')
    const ids = await peerIds(3)
    const cache = cacheOf(file)
    await cache.load()
    for (const id of ids) cache.remember({ id, addresses: [ADDRESS] })
    await cache.save()
    const again = cacheOf(file)
    await again.load()
    assert.deepEqual(new Set(again.pick(9, () => true).map(({ id }) => id)), new Set(ids))
    assert.deepEqual(await readdir(join(folder.path, 'state')), ['peers.json'])
  })

  it('keeps the peers seen last when there are too many, and few addresses of each', async () => {
    await using folder = await tempFolder('peers')
    const clock = new VirtualClock()
    const cache = cacheOf(join(folder.path, 'peers.json'), clock)
    for (let index = 0; index < MAX_CACHED_PEERS + 50; index++) {
      await clock.advance(1)
      cache.remember({ id: `peer-${index}`, addresses: Array.from({ length: 100 }, () => ADDRESS) })
    }
    assert.equal(cache.size, MAX_CACHED_PEERS)
    assert.deepEqual(
      cache.pick(1, (id) => id === 'peer-0'),
      [],
    )
    assert.equal(cache.pick(1, (id) => id === 'peer-177')[0]?.addresses.length, 8)
  })

  for (const [what, text] of [
    ['nothing', ''],
    ['no JSON', '{"version":1,"peers":[{'],
    ['another version', '{"version":2,"peers":[]}'],
    ['no PeerIds', `{"version":1,"peers":[{"id":"x","addresses":["${ADDRESS}"],"lastSeenMs":1}]}`],
    ['far too much', ' '.repeat(2_000_000)],
  ] as const) {
    it(`begins with none when the file holds ${what}, and replaces it`, async () => {
      await using folder = await tempFolder('peers')
      const file = join(folder.path, 'peers.json')
      await writeFile(file, text)
      const cache = cacheOf(file)
      await cache.load()
      assert.equal(cache.size, 0)
      const [id = ''] = await peerIds(1)
      cache.remember({ id, addresses: [ADDRESS] })
      await cache.save()
      assert.equal(JSON.parse(await readFile(file, 'utf8')).peers[0].id, id)
    })
  }

  it('forgets peers not seen for weeks', async () => {
    await using folder = await tempFolder('peers')
    const file = join(folder.path, 'peers.json')
    const clock = new VirtualClock()
    const [old = '', recent = ''] = await peerIds(2)
    const cache = cacheOf(file, clock)
    cache.remember({ id: old, addresses: [ADDRESS] })
    await clock.advance(10 * DAY_MS)
    cache.remember({ id: recent, addresses: [ADDRESS] })
    await cache.save()
    await clock.advance(5 * DAY_MS)
    const again = cacheOf(file, clock)
    await again.load()
    assert.deepEqual(
      again.pick(9, () => true).map(({ id }) => id),
      [recent],
    )
  })

  it('does not prefer a peer for ever that was seen while the clock was ahead', async () => {
    await using folder = await tempFolder('peers')
    const file = join(folder.path, 'peers.json')
    const ahead = new VirtualClock()
    await ahead.advance(400 * DAY_MS)
    const [early = '', recent = ''] = await peerIds(2)
    const before = cacheOf(file, ahead)
    before.remember({ id: early, addresses: [ADDRESS] })
    await before.save()
    const clock = new VirtualClock()
    const cache = cacheOf(file, clock)
    await cache.load()
    await clock.advance(1)
    cache.remember({ id: recent, addresses: [ADDRESS] })
    assert.equal(cache.pick(1, () => true)[0]?.id, recent)
  })

  it('does not fail where it cannot write', async () => {
    await using folder = await tempFolder('peers')
    const blocked = join(folder.path, 'file')
    await writeFile(blocked, '')
    const cache = cacheOf(join(blocked, 'peers.json'))
    await cache.load()
    cache.remember({ id: 'a', addresses: [ADDRESS] })
    await cache.save()
  })
})
