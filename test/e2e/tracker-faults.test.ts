import { test } from 'node:test'
import { assertOk, ContainerLab, fetchThrough } from '../support/container-lab.ts'
import { withContainers } from '../support/requirements.ts'
import { testScope } from '../support/scope.ts'

/** Slow enough that a small image takes some seconds, so that there is a middle to fail in. */
const SLOW_BYTES_PER_SECOND = 6_000_000

/** Far enough into the image to be in the middle of its layers. */
const MIDDLE = 0.3

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(
    `a wave goes on when one of three trackers gets a ${signal} in the middle of it`,
    withContainers(90_000),
    async (t) => {
      const lab = testScope(t).use(await ContainerLab.start({ image: 'small', agents: 3, trackers: 3 }))
      const nodes = await lab.addNodes()
      lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

      const wave = Promise.all(nodes.map(async (node) => await fetchThrough(node, lab.reference)))
      await lab.originHasSent(MIDDLE * lab.image.blobBytes)
      const victim = lab.swarm.trackers[0]?.child
      victim?.signal(signal)

      try {
        for (const fetched of await wave) assertOk(fetched)
      } finally {
        if (signal === 'SIGSTOP') victim?.signal('SIGCONT')
      }
      for (const node of nodes) await lab.assertComplete(node)
      // Layers that were the victim's are begun once more by the next tracker.
      await lab.assertOriginCopies(1 + MIDDLE + 0.5)
    },
  )
}
