import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertOk, ContainerLab, fetchThrough } from '../support/container-lab.ts'
import { withContainers } from '../support/requirements.ts'
import { testScope } from '../support/scope.ts'

const USER = 'alice:secret'

test('a private image goes only to those whom the origin lets pull it', withContainers(120_000), async (t) => {
  const init = { image: 'small', agents: 2, trackers: 1, users: { alice: 'secret' } } as const
  const lab = testScope(t).use(await ContainerLab.start(init))
  const [first, second] = await lab.addNodes()
  assert.ok(first && second)

  assert.notEqual((await fetchThrough(first, lab.reference)).code, 0)
  assert.equal(lab.origin.counts.blobBytes, 0)
  assertOk(await fetchThrough(first, lab.reference, { user: USER }))
  await lab.assertComplete(first)

  assert.notEqual((await fetchThrough(second, lab.reference)).code, 0)
  assert.notEqual((await fetchThrough(second, lab.digestReference)).code, 0)
  assert.notEqual((await fetchThrough(second, lab.reference, { user: 'alice:wrong' })).code, 0)
  assert.equal((await fetch(`${second.agent.mirrorUrl}${blobPathOf(lab)}`)).status, 401)
  const [layer] = lab.image.layers
  assert.equal((await second.containerd.contentDigests()).has(layer?.digest ?? ''), false)

  assertOk(await fetchThrough(second, lab.reference, { user: USER }))
  await lab.assertComplete(second)
  await lab.assertOriginCopies(1.05)
})

/** A layer that the swarm holds, asked for by somebody who only knows its digest. */
function blobPathOf(lab: ContainerLab): string {
  return `/v2/lab/app/blobs/${lab.image.layers[0]?.digest}?ns=${encodeURIComponent(lab.origin.host)}`
}
