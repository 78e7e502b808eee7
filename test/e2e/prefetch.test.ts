import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultLab, metricOf } from '../support/fault-lab.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { Child, run, type RunResult } from '../support/processes.ts'
import { testScope } from '../support/scope.ts'
import { SHOAL, type ShoalProcess } from '../support/shoal-process.ts'

const limit = { timeout: 90_000 }

const COMMAND_TIMEOUT_MS = 60_000

/** At this rate the registry takes some ten seconds for the image, long enough to act in the middle. */
const SLOW_BYTES_PER_SECOND = 2_000_000

/**
 * One copy, with room for a machine so busy that a tracker is silent for a second and taken for dead. Agents that did not share
 * would take 5. How well they share is what the cold wave is tested and measured for.
 */
const SHARED_COPIES = 2.5

interface Status {
  readonly layers: readonly { readonly digest: string; readonly isComplete: boolean; readonly state: string }[]
  readonly prefetches: readonly { readonly isOver: boolean; readonly nodes: Readonly<Record<string, number>> }[]
}

async function prefetch(lab: FaultLab, at: ShoalProcess, ...args: readonly string[]): Promise<RunResult> {
  const command = ['prefetch', lab.reference, '--admin', at.adminUrl, ...args]
  return await run(SHOAL, command, { timeoutMs: COMMAND_TIMEOUT_MS })
}

async function statusOf(agent: ShoalProcess): Promise<Status> {
  return (await agent.status()) as unknown as Status
}

async function holds(lab: FaultLab, agent: ShoalProcess): Promise<boolean> {
  const { layers } = await statusOf(agent)
  const complete = new Set(layers.filter(({ isComplete }) => isComplete).map(({ digest }) => digest))
  return lab.image.layers.every(({ digest }) => complete.has(digest))
}

async function namesOfHolders(lab: FaultLab): Promise<string[]> {
  const names = lab.swarm.agents.map(async (agent) => ((await holds(lab, agent)) ? agent.name : undefined))
  return (await Promise.all(names)).filter((name) => name !== undefined)
}

function agentOf(lab: FaultLab, number: number): ShoalProcess {
  const agent = lab.swarm.agents[number - 1]
  assert.ok(agent)
  return agent
}

test('one command has all agents hold an image that leaves the registry once', limit, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 5, trackers: 1 }))

  const first = await prefetch(lab, agentOf(lab, 2))

  assert.equal(first.code, 0, first.output)
  assert.match(first.output, /^done in .*: 5 of 5 done$/m)
  assert.ok(!first.output.includes('\u001b'), 'no control sequences on a pipe')
  assert.equal((await namesOfHolders(lab)).length, 5)
  const copies = lab.origin.counts.blobBytes / lab.image.blobBytes
  assert.ok(copies <= SHARED_COPIES, `${copies} copies`)
  assert.equal(await metricOf(agentOf(lab, 4), 'shoal_prefetch_pulls_total', 'result="done"'), 1)

  await t.test('which the second time is there, and said as JSON', async () => {
    const again = await prefetch(lab, agentOf(lab, 5), '--json')
    assert.equal(again.code, 0, again.output)
    const events = again.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; bytesBySource?: Record<string, number> })
    assert.equal(events[0]?.type, 'resolved')
    const { store = 0, origin, peers } = events.at(-1)?.bytesBySource ?? {}
    assert.deepEqual([store >= 5 * lab.image.blobBytes, origin, peers], [true, 0, 0])
  })
})

test('without a tracker the agents tell each other', limit, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 5, trackers: 0 }))
  // Beginning where only the first one is known.
  const result = await prefetch(lab, agentOf(lab, 5))
  assert.equal(result.code, 0, result.output)
  assert.equal((await namesOfHolders(lab)).length, 5)
  assert.match(result.output, /^other agents +[\d.]+ [kMG]B +\d+ %/m, 'they trade')
})

test('an agent that dies in the middle is named, and the others are done all the same', limit, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 5, trackers: 1 }))
  const victim = agentOf(lab, 3)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  const running = prefetch(lab, agentOf(lab, 1))
  await eventually(async () => (await statusOf(victim)).layers.some(({ state }) => state === 'downloading'), 20_000)
  await victim.child.kill()
  const startMs = performance.now()
  const { code, output } = await running

  assert.equal(code, 1, output)
  assert.match(output, /^ended in .*: 4 of 5 done, 1 unreachable$/m)
  assert.match(output, new RegExp(`${victim.peerId.slice(-7)} .*unreachable: `))
  assert.ok(performance.now() - startMs < 45_000)
  for (const number of [1, 2, 4, 5]) assert.ok(await holds(lab, agentOf(lab, number)), `agent-${number}`)
})

test('only the agents of a zone, or so many, are meant', limit, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 2, trackers: 1, settings: { zone: 'a' } }))
  for (let number = 3; number <= 5; number++) await lab.swarm.addAgent({ zone: 'b' })

  const zone = await prefetch(lab, agentOf(lab, 4), '--nodes', 'zone=a')
  assert.equal(zone.code, 0, zone.output)
  assert.deepEqual(await namesOfHolders(lab), ['agent-1', 'agent-2'])

  const none = await prefetch(lab, agentOf(lab, 4), '--nodes', 'zone=c')
  assert.equal(none.code, 1, none.output)
  assert.match(none.output, /no node was found that is meant/)

  const some = await prefetch(lab, agentOf(lab, 1), '--nodes', '4')
  assert.equal(some.code, 0, some.output)
  assert.match(some.output, /: 4 of 4 done$/m)

  const tooMany = await prefetch(lab, agentOf(lab, 1), '--nodes', '7')
  assert.equal(tooMany.code, 1, tooMany.output)
  assert.match(tooMany.output, /2 nodes fewer were found than asked for/)
})

test('Ctrl-C cancels it on all agents; a detached one goes on and is shown', limit, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 3, trackers: 1 }))
  const [first, second] = [agentOf(lab, 1), agentOf(lab, 2)]
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  const args = ['prefetch', lab.reference, '--admin', first.adminUrl]
  const command = testScope(t).use(await Child.start({ name: 'prefetch', command: SHOAL, args }))
  await command.waitForLine(/of 3 done, 3 running/, { timeoutMs: 20_000 })
  command.signal('SIGINT')
  assert.deepEqual(await command.exited(), { code: 130, signal: null })
  await eventually(async () => (await metricOf(second, 'shoal_prefetch_pulls_total', 'result="cancelled"')) === 1)

  const detached = await prefetch(lab, first, '--detach')
  assert.equal(detached.code, 0, detached.output)
  assert.match(detached.output, /goes on as .* see shoal status/)
  await eventually(async () => (await statusOf(first)).prefetches.some(({ nodes }) => nodes.running === 3), 10_000)
  const shown = await run(SHOAL, ['status', '--admin', first.adminUrl], { timeoutMs: COMMAND_TIMEOUT_MS })
  assert.match(shown.output, / here +\d of 3 done, \d running .* running /)
  lab.origin.limitRate(1e9)
  await eventually(async () => (await namesOfHolders(lab)).length === 3, 30_000)
  await eventually(async () => (await statusOf(first)).prefetches.some(({ nodes }) => nodes.done === 3))
})
