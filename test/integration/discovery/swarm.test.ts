import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Digest, digestOf } from '../../../src/core/index.ts'
import { Discovery } from '../../../src/discovery/index.ts'
import {
  type ClusterKey,
  generateClusterKey,
  generateIdentity,
  type P2pNode,
  type P2pNodeInit,
} from '../../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { eventually, startP2pNode } from '../../support/p2p-swarm.ts'
import { tempFolder, testScope } from '../../support/scope.ts'

/** A node with its discovery, ended together. */
class Member implements AsyncDisposable {
  readonly node: P2pNode
  readonly discovery: Discovery
  #isStopped = false

  constructor(node: P2pNode, discovery: Discovery) {
    this.node = node
    this.discovery = discovery
  }

  async find(digest: Digest): Promise<string[]> {
    const ids: string[] = []
    for await (const peer of this.discovery.findPeers(digest)) ids.push(peer.id)
    return ids
  }

  /** Resolves once exactly `expected` are on record, asking the DHT itself, which unlike discovery remembers no answer. */
  async untilOnRecord(digest: Digest, expected: readonly string[]): Promise<void> {
    await eventually(async () => {
      const ids = new Set<string>()
      for await (const { id } of this.node.providers.findProviders(digest)) if (id !== this.node.peerId) ids.add(id)
      return [...ids].toSorted().join() === [...expected].toSorted().join()
    }, 15_000)
  }

  /** Resolves once `expected` are on record, if discovery finds them too. */
  async finds(digest: Digest, expected: readonly string[]): Promise<void> {
    await this.untilOnRecord(digest, expected)
    assert.deepEqual((await this.find(digest)).toSorted(), [...expected].toSorted())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    await this.discovery.stop()
    await this.node.stop()
  }
}

interface MemberInit extends Partial<P2pNodeInit> {
  readonly clusterKey: ClusterKey
  readonly bootstraps?: readonly string[]
  readonly peerCacheFile?: string
}

async function startMember({ bootstraps = [], peerCacheFile, ...init }: MemberInit): Promise<Member> {
  const node = await startP2pNode(init)
  const components = { node, logger: silentLogger(), metrics: new Metrics() }
  const discovery = new Discovery({ bootstrapAddresses: bootstraps, peerCacheFile }, components)
  await discovery.start()
  return new Member(node, discovery)
}

const layer = digestOf(Buffer.from('layer'))

describe('a swarm', () => {
  it('of six finds who provides a layer, and goes on after its bootstrap peer died and a newcomer joined by another', async (test) => {
    const scope = testScope(test)
    const clusterKey = generateClusterKey()
    const hub = scope.use(await startMember({ clusterKey }))
    const bootstraps = [...hub.node.addresses()]
    const members = await Promise.all(Array.from({ length: 5 }, () => startMember({ clusterKey, bootstraps })))
    for (const member of members) scope.use(member)
    const [first, second] = members as [Member, Member]
    first.discovery.provide(layer)
    second.discovery.provide(layer)
    const providers = [first.node.peerId, second.node.peerId]
    for (const member of [hub, ...members.slice(2)]) await member.finds(layer, providers)
    await second.finds(layer, [first.node.peerId])

    await hub[Symbol.asyncDispose]()
    const newcomer = scope.use(
      await startMember({ clusterKey, bootstraps: [...bootstraps, ...second.node.addresses()] }),
    )
    await newcomer.finds(layer, providers)
    const later = digestOf(Buffer.from('a later layer'))
    newcomer.discovery.provide(later)
    await first.finds(later, [newcomer.node.peerId])
  })

  it('is joined again through remembered peers when no configured one is left', async (test) => {
    const scope = testScope(test)
    const folder = scope.use(await tempFolder('discovery'))
    const clusterKey = generateClusterKey()
    const hub = scope.use(await startMember({ clusterKey }))
    const bootstraps = [...hub.node.addresses()]
    const neighbour = scope.use(await startMember({ clusterKey, bootstraps }))
    const peerCacheFile = join(folder.path, 'peers.json')
    const before = scope.use(await startMember({ clusterKey, bootstraps, peerCacheFile }))
    await eventually(() => before.node.isConnected(neighbour.node.peerId), 15_000)
    await eventually(async () => (await before.node.addressesOf(neighbour.node.peerId)).length > 0)
    await before[Symbol.asyncDispose]()
    await hub[Symbol.asyncDispose]()
    const after = scope.use(await startMember({ clusterKey, bootstraps, peerCacheFile }))
    await eventually(() => after.node.isConnected(neighbour.node.peerId))
  })

  it('is joined when its bootstrap peer starts late, and again when that comes back', async (test) => {
    const scope = testScope(test)
    const clusterKey = generateClusterKey()
    const identity = await generateIdentity()
    const early = scope.use(await startMember({ clusterKey, identity }))
    const listenAddresses = early.node.addresses().map((address) => address.replace(/\/p2p\/.*/, ''))
    const bootstraps = [...early.node.addresses()]
    await early[Symbol.asyncDispose]()

    const member = scope.use(await startMember({ clusterKey, bootstraps }))
    member.discovery.provide(layer)
    assert.deepEqual(await member.find(layer), [])
    const late = scope.use(await startMember({ clusterKey, identity, listenAddresses }))
    await eventually(() => late.node.isConnected(member.node.peerId))
    await late.finds(layer, [member.node.peerId])
    await late[Symbol.asyncDispose]()
    await eventually(() => member.node.connectedPeers().length === 0)
    const again = scope.use(await startMember({ clusterKey, identity, listenAddresses }))
    await eventually(() => again.node.isConnected(member.node.peerId))
  })

  it('skips a provider that died once it is reported', async (test) => {
    const scope = testScope(test)
    const clusterKey = generateClusterKey()
    const hub = scope.use(await startMember({ clusterKey }))
    const bootstraps = [...hub.node.addresses()]
    const living = scope.use(await startMember({ clusterKey, bootstraps }))
    const dying = scope.use(await startMember({ clusterKey, bootstraps }))
    living.discovery.provide(layer)
    dying.discovery.provide(layer)
    await hub.finds(layer, [living.node.peerId, dying.node.peerId])
    await dying[Symbol.asyncDispose]()
    hub.discovery.reportDead(layer, dying.node.peerId)
    assert.deepEqual(await hub.find(layer), [living.node.peerId])
  })
})

describe('a record', () => {
  it('expires when its provider is gone, and is repeated while it lives', async (test) => {
    const scope = testScope(test)
    const init = {
      clusterKey: generateClusterKey(),
      recordLife: { validityMs: 1_500, thresholdMs: 1_000, intervalMs: 250 },
    }
    const hub = scope.use(await startMember(init))
    const bootstraps = [...hub.node.addresses()]
    const living = scope.use(await startMember({ ...init, bootstraps }))
    const dying = scope.use(await startMember({ ...init, bootstraps }))
    living.discovery.provide(layer)
    dying.discovery.provide(layer)
    await hub.untilOnRecord(layer, [living.node.peerId, dying.node.peerId])
    await dying[Symbol.asyncDispose]()
    await hub.untilOnRecord(layer, [living.node.peerId])
  })
})

describe('a lone node', () => {
  it('ends its walks at once, provides without complaint and stops in time', async (test) => {
    const member = testScope(test).use(await startMember({ clusterKey: generateClusterKey() }))
    member.discovery.provide(layer)
    const startMs = performance.now()
    assert.deepEqual(await member.find(layer), [])
    await member[Symbol.asyncDispose]()
    assert.ok(performance.now() - startMs < 3_000)
  })
})
