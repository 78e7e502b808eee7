import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { EXCHANGE_PROTOCOL } from '../../src/exchange/index.ts'
import { generateClusterKey } from '../../src/p2p/index.ts'
import { adminStatus, FaultLab, residentBytes } from '../support/fault-lab.ts'
import { refOf } from '../support/hostile-peer.ts'
import { eventually, startP2pNode } from '../support/p2p-swarm.ts'
import { rawExchange, requestText } from '../support/raw-http.ts'
import { testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'

const TEST_TIMEOUT_MS = 60_000

/** A stranger is told to go within its first round trips, whatever its patience. */
const REFUSAL_LIMIT_MS = 5_000

const MANY_CONNECTIONS = 500

/** What five hundred connections may add; a connection that kept all it was sent would be ten times as much. */
const GROWTH_LIMIT_BYTES = 96 * 1024 * 1024

for (const { name, clusterKey } of [
  { name: 'another cluster key', clusterKey: generateClusterKey() },
  { name: 'no cluster key', clusterKey: undefined },
]) {
  test(`a peer with ${name} gets no connection to an agent or a tracker`, { timeout: TEST_TIMEOUT_MS }, async (t) => {
    const scope = testScope(t)
    const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 1 }))
    const stranger = await startP2pNode({ clusterKey })
    scope.defer(async () => await stranger.stop())

    for (const target of [...lab.swarm.agents, ...lab.swarm.trackers]) {
      const startMs = performance.now()
      await assert.rejects(stranger.connect(refOf(target)))
      await assert.rejects(stranger.openStream(target.peerId, EXCHANGE_PROTOCOL))
      assert.ok(performance.now() - startMs < REFUSAL_LIMIT_MS)
      assert.equal(stranger.isConnected(target.peerId), false)
    }
    const [agent] = lab.swarm.agents
    assert.ok(agent)
    assert.equal((await lab.pull(agent)).directBytes, 0)
  })
}

test('connections that send rubbish, or nothing, leave agent and tracker at work', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 1 }))
  const [agent] = lab.swarm.agents
  const [tracker] = lab.swarm.trackers
  assert.ok(agent && tracker)
  const before = await Promise.all([residentBytes(agent), residentBytes(tracker)])
  const sockets = scope.adopt([] as Socket[], (all) => all.forEach((socket) => socket.destroy()))

  for (const target of [agent, tracker]) {
    for (let count = 0; count < MANY_CONNECTIONS; count += 1) {
      const socket = connect(p2pPortOf(target), '127.0.0.1').on('error', () => undefined)
      if (count % 2 === 0) socket.write(randomBytes(4_096))
      sockets.push(socket)
    }
  }
  const { directBytes } = await lab.pull(agent)

  assert.equal(directBytes, 0)
  assert.equal(await adminStatus(agent, '/readyz'), 200)
  const silent = sockets.filter((_, index) => index % 2 === 1)
  await eventually(() => silent.every((socket) => socket.destroyed || socket.readableEnded || !socket.readable), 20_000)
  const after = await Promise.all([residentBytes(agent), residentBytes(tracker)])
  for (const [index, bytes] of after.entries()) {
    const grown = bytes - (before[index] ?? 0)
    assert.ok(grown < GROWTH_LIMIT_BYTES, `${index === 0 ? 'the agent' : 'the tracker'} grew by ${grown} bytes`)
  }

  const friend = await startP2pNode({ clusterKey: lab.clusterKey })
  scope.defer(async () => await friend.stop())
  await friend.connect(refOf(agent))
  await friend.connect(refOf(tracker))
})

test('requests that no client sends are refused in words', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 1, trackers: 0 }))
  const [agent] = lab.swarm.agents
  const [layer] = lab.image.layers
  assert.ok(agent && layer)
  await lab.pull(agent)
  const port = Number(new URL(agent.mirrorUrl).port)
  const ns = encodeURIComponent(lab.origin.host)
  const blob = `/v2/lab/app/blobs/${layer.digest}?ns=${ns}`
  const cases: readonly { line: string; headers?: Record<string, string>; status: number; code: RegExp }[] = [
    { line: `GET ${blob}`, headers: { 'X-Big': 'x'.repeat(200_000) }, status: 431, code: /UNSUPPORTED/ },
    { line: `GET /v2/${'a/'.repeat(40_000)}manifests/v1?ns=${ns}`, status: 414, code: /NAME_INVALID/ },
    { line: `GET /v2/${'a'.repeat(300)}/manifests/v1?ns=${ns}`, status: 400, code: /NAME_INVALID/ },
    { line: `GET /v2/lab/app/blobs/sha256:short?ns=${ns}`, status: 400, code: /DIGEST_INVALID/ },
    { line: `GET ${blob}`, headers: { Range: 'bytes=five-ten' }, status: 400, code: /UNSUPPORTED/ },
    { line: `GET ${blob}`, headers: { Range: `bytes=${layer.size}-` }, status: 416, code: /errors/ },
    {
      line: `GET ${blob}`,
      headers: { Range: `bytes=${'0-1,'.repeat(2_000)}0-1` },
      status: 400,
      code: /too many ranges/,
    },
    ...['169.254.169.254', '169.254.169.254:80', '[fe80::1]', '[fe80::1%25eth0]:80', 'metadata.google.internal'].map(
      (namespace) => ({
        line: `GET /v2/lab/app/manifests/v1?ns=${encodeURIComponent(namespace)}`,
        status: 404,
        code: /NAME_UNKNOWN/,
      }),
    ),
  ]

  for (const { line, headers, status, code } of cases) {
    const answer = await rawExchange(port, requestText(line, headers))
    const what = `${line.slice(0, 120)} ${JSON.stringify(headers ?? {}).slice(0, 60)}`
    assert.equal(answer.status, status, `${what}: ${answer.head} ${answer.body.toString()}`)
    assert.match(answer.body.toString(), code, what)
  }
  assert.equal((await lab.pull(agent)).directBytes, 0)
})

test('a manifest without end is refused and not kept', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const scope = testScope(t)
  let sentBytes = 0
  const endless = createServer((request, response) => {
    const isHead = request.method === 'HEAD'
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
    if (!request.url?.includes('/manifests/')) return void response.writeHead(200).end('{}')
    response.writeHead(200, { ...headers, 'docker-content-digest': `sha256:${'a'.repeat(64)}` })
    if (isHead) return void response.end()
    const more = (): void => {
      while (!response.destroyed && sentBytes < 256 * 1024 * 1024) {
        sentBytes += 65_536
        if (!response.write(Buffer.alloc(65_536, ' '))) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  }).listen(0, '127.0.0.1')
  await once(endless, 'listening')
  scope.defer(() => {
    endless.closeAllConnections()
    endless.close()
  })
  const namespace = `127.0.0.1:${(endless.address() as AddressInfo).port}`
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 0, otherOrigins: [namespace] }))
  const [agent] = lab.swarm.agents
  assert.ok(agent)
  const before = await residentBytes(agent)

  const answer = await fetch(lab.urlAt(agent, 'manifests/v1', namespace), { signal: AbortSignal.timeout(15_000) })

  assert.equal(answer.status, 404)
  assert.match(await answer.text(), /MANIFEST_UNKNOWN/)
  assert.ok(sentBytes < 32 * 1024 * 1024, `the agent took ${sentBytes} bytes of a manifest`)
  assert.ok((await residentBytes(agent)) - before < GROWTH_LIMIT_BYTES)
})

function p2pPortOf(process: ShoalProcess): number {
  const port = process.addresses
    .map((address) => /\/tcp\/(\d+)/.exec(address)?.[1])
    .find((found) => found !== undefined)
  return Number(port)
}
