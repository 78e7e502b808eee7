import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { EXCHANGE_PROTOCOL } from '../../src/exchange/index.ts'
import { FaultLab, metricOf, residentBytes } from '../support/fault-lab.ts'
import { HostilePeer, inverted, type Misbehaviour, refOf, withOneByteChanged } from '../support/hostile-peer.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'

const TEST_TIMEOUT_MS = 60_000

/** Slow enough that peers are asked before the origin has given everything. */
const SLOW_BYTES_PER_SECOND = 6_000_000

/** What a small image may take with a peer that answers nothing: the origin alone needs some three seconds of it. */
const SILENT_PEER_LIMIT_MS = 20_000

/** What one agent may grow by while a peer sends it rubbish; a leak of what is sent here would be tens of times as much. */
const GROWTH_LIMIT_BYTES = 96 * 1024 * 1024

const never = async (): Promise<Uint8Array> => await new Promise(() => undefined)

interface Scene {
  readonly lab: FaultLab
  readonly evil: HostilePeer
  /** The agent whose pulls the hostile peer is to spoil. */
  readonly victim: ShoalProcess
}

/** A swarm whose first agent (or its tracker) has the image, a hostile peer that says so of itself, and one more agent that has nothing yet. */
async function scene(scope: AsyncDisposableStack, trackers: number, misbehaviour: Misbehaviour): Promise<Scene> {
  const lab = scope.use(await FaultLab.start({ agents: 2, trackers }))
  const [first, victim] = lab.swarm.agents
  assert.ok(first && victim)
  await lab.pull(first)
  // With a tracker that has everything, the hostile peer is the only other choice and is sure to be asked.
  if (trackers > 0) await first.child.stop()
  const evil = scope.use(await HostilePeer.start(lab.clusterKey, lab.image, misbehaviour))
  await evil.join(...lab.swarm.trackers, victim)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)
  return { lab, evil, victim }
}

/** Asserts that the agent has shut out the peer and says so where an operator looks. */
async function assertBanned(agent: ShoalProcess, evil: HostilePeer): Promise<void> {
  assert.ok((await metricOf(agent, 'shoal_p2p_bans_total')) >= 1)
  const banned = agent.child.output.split('\n').filter((line) => line.includes('"peer banned"'))
  assert.ok(
    banned.some((line) => line.includes(evil.node.peerId)),
    agent.child.output,
  )
  await eventually(() => !evil.node.isConnected(agent.peerId))
  await evil.node.connect(refOf(agent)).catch(() => undefined)
  await eventually(() => !evil.node.isConnected(agent.peerId))
}

for (const { name, trackers } of [
  { name: 'without a tracker', trackers: 0 },
  { name: 'whose tracker vouches', trackers: 1 },
]) {
  test(`a peer with wrong bytes under the right digest is banned in a swarm ${name}`, {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    const { lab, evil, victim } = await scene(testScope(t), trackers, { bytes: inverted })

    const { directBytes } = await lab.pull(victim)

    assert.equal(directBytes, 0)
    assert.ok(evil.supply.askedCount > 0, 'the hostile peer was never asked')
    await assertBanned(victim, evil)
  })

  test(`a peer that takes wants and never answers costs seconds at the most in a swarm ${name}`, {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    const { lab, evil, victim } = await scene(testScope(t), trackers, { bytes: never })

    const { directBytes } = await lab.pull(victim, { timeoutMs: SILENT_PEER_LIMIT_MS })

    assert.equal(directBytes, 0)
    assert.ok(evil.supply.askedCount > 0, 'the hostile peer was never asked')
  })

  test(`a map that its maker signed for wrong digests is not believed in a swarm ${name}`, {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    const wrong: Misbehaviour = { bytes: inverted, claimed: inverted, signsMaps: true }
    const { lab, victim } = await scene(testScope(t), trackers, wrong)

    const { directBytes } = await lab.pull(victim)

    assert.equal(directBytes, 0)
  })
}

test('the only peer there is lies about every chunk, and a sample from the origin shows it', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 0 }))
  const [victim] = lab.swarm.agents
  assert.ok(victim)
  const evil = scope.use(await HostilePeer.start(lab.clusterKey, lab.image, { bytes: inverted, claimed: inverted }))
  await evil.join(victim)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  const { directBytes } = await lab.pull(victim)

  assert.equal(directBytes, 0)
  assert.ok(evil.supply.askedCount > 0, 'the hostile peer was never asked')
  await assertBanned(victim, evil)
})

test('a peer whose lies are too small for a sample is found out with the first layer that is whole', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 0 }))
  const [victim] = lab.swarm.agents
  assert.ok(victim)
  const lie: Misbehaviour = { bytes: withOneByteChanged, claimed: withOneByteChanged, signsMaps: true }
  const evil = scope.use(await HostilePeer.start(lab.clusterKey, lab.image, lie))
  await evil.join(victim)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  await lab.pull(victim).catch(() => undefined)
  assert.ok(evil.supply.askedCount > 0, 'the hostile peer was never asked')
  await victim.child.waitForLine(/peer banned/, { timeoutMs: 10_000 })
  await assertBanned(victim, evil)

  // Layers that were under way with it may come out wrong once more.
  await eventually(
    async () =>
      await lab.pull(victim).then(
        ({ directBytes }) => directBytes === 0,
        () => false,
      ),
    20_000,
  )
})

test('a tracker does not take a map from an agent, however much of it is right', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 1 }))
  const [victim] = lab.swarm.agents
  assert.ok(victim)
  const lie = (honest: Uint8Array, chunk: number) => (chunk === 2 ? inverted(honest) : honest)
  const evil = scope.use(
    await HostilePeer.start(lab.clusterKey, lab.image, { bytes: lie, claimed: lie, signsMaps: true }),
  )
  await evil.join(...lab.swarm.trackers, victim)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  assert.equal((await lab.pull(victim)).directBytes, 0)
})

test('a peer that says again and again that it has one chunk is not waited for', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 0 }))
  const [victim] = lab.swarm.agents
  assert.ok(victim)
  const timers = scope.adopt(new Set<NodeJS.Timeout>(), (all) => all.forEach((timer) => clearInterval(timer)))
  const evil = scope.use(
    await HostilePeer.start(lab.clusterKey, lab.image, {
      bytes: never,
      holds: (chunk) => chunk === 0,
      onFollow: (publisher) => void timers.add(setInterval(() => publisher.have([0], [randomBytes(32)]), 200)),
    }),
  )
  await evil.join(victim)

  const { directBytes } = await lab.pull(victim, { timeoutMs: SILENT_PEER_LIMIT_MS })

  assert.equal(directBytes, 0)
})

test('rubbish on the exchange protocol is refused and kept nowhere', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 1, trackers: 1 }))
  const [agent] = lab.swarm.agents
  const [tracker] = lab.swarm.trackers
  assert.ok(agent && tracker)
  const before = await residentBytes(agent)

  for (const [name, rubbish] of Object.entries(RUBBISH)) {
    for (const target of [agent, tracker]) {
      await using evil = await HostilePeer.start(lab.clusterKey, lab.image, {})
      await evil.node.connect(refOf(target))
      await sendUntilRefused(evil, target, rubbish)
      await eventually(() => !evil.node.isConnected(target.peerId)).catch(() => assert.fail(`${name}: still connected`))
    }
  }

  assert.equal((await lab.pull(agent)).directBytes, 0)
  const grown = (await residentBytes(agent)) - before
  assert.ok(grown < GROWTH_LIMIT_BYTES, `the agent grew by ${grown} bytes`)
})

/** Bytes that no peer following the protocol sends as the beginning of a stream; each is sent over and over. */
const RUBBISH: Readonly<Record<string, Uint8Array>> = {
  'random bytes': randomBytes(1024 * 1024),
  'a header of 4 GiB': Buffer.concat([Buffer.alloc(8, 0xff), Buffer.alloc(256 * 1024)]),
  'a header that is no message': Buffer.concat([Buffer.from([0, 0, 1, 0, 0, 0, 0, 0]), Buffer.alloc(64 * 1024, 0xff)]),
  'a payload of 2 GiB with a hello': Buffer.concat([
    Buffer.from([0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]),
    // Field 1 of the message, a hello with version 1.
    Buffer.from([0x0a, 0x02, 0x08, 0x01]),
    Buffer.alloc(256 * 1024),
  ]),
}

/** Sends up to 64 MiB, as far as the other end takes them. */
async function sendUntilRefused(evil: HostilePeer, target: ShoalProcess, rubbish: Uint8Array): Promise<void> {
  const stream = await evil.node.openStream(target.peerId, EXCHANGE_PROTOCOL)
  const endMs = performance.now() + 10_000
  try {
    for (let sent = 0; sent < 64 * 1024 * 1024; sent += rubbish.byteLength) {
      // A turn of the event loop for each piece, or this process would not hear that it is refused.
      await nextTurn()
      if (stream.status !== 'open' || performance.now() > endMs) break
      if (!stream.send(rubbish)) await stream.onDrain({ signal: AbortSignal.timeout(500) })
    }
  } catch {
    // Cut off in the middle of it: what a test of refusal hopes for.
  }
}
