import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertOk, ContainerLab, fetchThrough } from '../support/container-lab.ts'
import { ANY_BLOB, type FaultAction, RATE_LIMITED } from '../support/origin-faults.ts'
import { withContainers } from '../support/requirements.ts'
import { testScope } from '../support/scope.ts'

/** Slow enough that a small image takes some seconds, so that there is a middle to fail in. */
const SLOW_BYTES_PER_SECOND = 6_000_000

/** Far enough into the image to be in the middle of its layers. */
const MIDDLE = 0.3

test('containerd finishes at the origin when the agent is killed in mid-pull', withContainers(60_000), async (t) => {
  const lab = testScope(t).use(await ContainerLab.start({ image: 'small', agents: 1, trackers: 0 }))
  const [node] = await lab.addNodes()
  assert.ok(node)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  const fetching = fetchThrough(node, lab.reference)
  await lab.originHasSent(MIDDLE * lab.image.blobBytes)
  await node.agent.child.kill()

  assertOk(await fetching)
  await lab.assertComplete(node)
})

test('a wave goes on when the tracker is killed in the middle of it', withContainers(90_000), async (t) => {
  const lab = testScope(t).use(await ContainerLab.start({ image: 'small', agents: 3, trackers: 1 }))
  const nodes = await lab.addNodes()
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  const wave = Promise.all(nodes.map(async (node) => await fetchThrough(node, lab.reference)))
  await lab.originHasSent(MIDDLE * lab.image.blobBytes)
  await lab.swarm.trackers[0]?.child.kill()

  for (const fetched of await wave) assertOk(fetched)
  for (const node of nodes) await lab.assertComplete(node)
  // What the tracker had fetched and not yet handed on is fetched a second time.
  await lab.assertOriginCopies(1 + MIDDLE + 0.2)
})

const originFaults: readonly { readonly name: string; readonly action: FaultAction; readonly times: number }[] = [
  { name: 'says 429 and when to come back', action: RATE_LIMITED, times: 3 },
  { name: 'says 500', action: { kind: 'status', status: 500 }, times: 3 },
  { name: 'breaks connections off', action: { kind: 'cut', afterBytes: 700_000 }, times: 4 },
  { name: 'ignores Range', action: { kind: 'ignore-range' }, times: Number.POSITIVE_INFINITY },
]

for (const { name, action, times } of originFaults) {
  test(`the agent serves the whole image from an origin that ${name}`, withContainers(60_000), async (t) => {
    const lab = testScope(t).use(await ContainerLab.start({ image: 'small', agents: 1, trackers: 1 }))
    const [node] = await lab.addNodes()
    assert.ok(node)
    lab.origin.faults.inject({ path: ANY_BLOB, action, times })

    assertOk(await fetchThrough(node, lab.reference))

    await lab.assertComplete(node)
    assert.ok(lab.origin.faults.takenCount > 0)
    const { origin, peers, tracker } = (await node.agent.status()).bytesBySource
    const carried = origin + peers + tracker
    assert.ok(carried >= lab.image.blobBytes, `the agent carried ${carried} of ${lab.image.blobBytes} bytes`)
  })
}
