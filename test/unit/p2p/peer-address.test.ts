import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { generateIdentity, parsePeerAddress, peerIdOf } from '../../../src/p2p/index.ts'
import { announceable, hostOf, multiaddrsOf } from '../../../src/p2p/peer-address.ts'

describe('peer address', () => {
  let id = ''
  let other = ''
  before(async () => {
    id = peerIdOf(await generateIdentity())
    other = peerIdOf(await generateIdentity())
  })

  it('is a multiaddr that ends in a PeerId', () => {
    for (const prefix of ['/ip4/10.0.0.1/tcp/4001', '/ip6/2001:db8::1/tcp/4001', '/dns4/tracker.shoal.svc/tcp/4001']) {
      const text = `${prefix}/p2p/${id}`
      assert.deepEqual(parsePeerAddress(text), { id, addresses: [text] })
    }
    assert.deepEqual(parsePeerAddress(`/p2p/${id}`), { id, addresses: [] })
  })

  it('is nothing without a PeerId, with a broken one, or when it does not parse', () => {
    const texts = [
      '',
      '10.0.0.1:4001',
      '/ip4/10.0.0.1/tcp/4001',
      '/ip4/10.0.0.1/tcp/4001/p2p/nobody',
      '/ip4/300.0.0.1/tcp/1',
    ]
    for (const text of texts) assert.equal(parsePeerAddress(text), undefined)
  })

  it('leaves out what does not parse, names another peer or is too much', () => {
    const good = `/ip4/10.0.0.1/tcp/4001/p2p/${id}`
    const addresses = ['nonsense', `/ip4/10.0.0.2/tcp/4001/p2p/${other}`, good, '/ip4/10.0.0.3/tcp/4001']
    const usable = multiaddrsOf({ id, addresses }).map(String)
    assert.deepEqual(usable, [good, '/ip4/10.0.0.3/tcp/4001'])
    const many = Array.from({ length: 1000 }, (_, index) => `/ip4/10.0.0.1/tcp/${index + 1}`)
    assert.equal(multiaddrsOf({ id, addresses: many }).length, 16)
  })

  it('tells others loopback only when there is nothing else, and link-local never', () => {
    const listen = ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip4/10.0.0.1/tcp/1'].map((text) =>
      multiaddr(text),
    )
    assert.deepEqual(announceable(listen).map(String), ['/ip4/10.0.0.1/tcp/1'])
    assert.deepEqual(announceable(listen.slice(0, 3)).map(String), ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1'])
  })

  it('names a host, unless it is relayed or has none', () => {
    const hosts = ['/ip4/10.0.0.1/tcp/1', '/ip6/fd00::1/tcp/1', '/dns4/tracker.example/tcp/1', `/p2p/${id}`].map(
      (text) => hostOf(multiaddr(text)),
    )
    assert.deepEqual(hosts, ['10.0.0.1', 'fd00::1', 'tracker.example', undefined])
    assert.equal(hostOf(multiaddr(`/ip4/10.0.0.1/tcp/1/p2p/${other}/p2p-circuit`)), undefined)
  })
})
