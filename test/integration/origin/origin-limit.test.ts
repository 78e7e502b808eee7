import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/core/index.ts'
import { type BandwidthClass, BandwidthLimiter, UNLIMITED } from '../../../src/util/index.ts'
import { startFaultRegistry } from '../../support/fault-registry.ts'
import { testScope } from '../../support/scope.ts'
import { clientOf, noise } from './origin-client-fixture.ts'

const MIB = 1024 * 1024
const BYTES = noise(3 * MIB)
const REPOSITORY = 'lib/app'

test('reading from an origin keeps to its limit, by the class of each piece, and does not look like silence', async (t) => {
  const scope = testScope(t)
  const registry = scope.use(await startFaultRegistry())
  const bandwidth = new BandwidthLimiter({ ...UNLIMITED, pull: 2 * MIB }, { clock: systemClock })
  const { client } = scope.use(clientOf(registry, {}, {}, { bandwidth }))
  const { digest } = registry.addBlob(REPOSITORY, BYTES)
  const ref = { digest, sizeBytes: BYTES.byteLength }
  const access = { origins: [{ namespace: registry.host, repository: REPOSITORY }] }
  let bandwidthClass: BandwidthClass = 'pull'

  let readBytes = 0
  let isLate = false
  const startMs = performance.now()
  const range = { start: 0, end: BYTES.byteLength }
  for await (const piece of client.readBlob(ref, access, range, { bandwidthClass: () => bandwidthClass })) {
    readBytes += piece.byteLength
    // A reader who waits joins after 1.5 MiB.
    if (readBytes >= 1.5 * MIB && !isLate) {
      isLate = true
      bandwidthClass = 'lazy'
      const seconds = (performance.now() - startMs) / 1000
      // At 2 MiB a second 1.5 MiB take 0.75 s, of which a burst of 0.2 s and the last piece are free.
      assert.ok(seconds > 0.45, `1.5 MiB in ${seconds} s under a limit of 2 MiB/s`)
    }
  }
  const seconds = (performance.now() - startMs) / 1000
  assert.ok(seconds < 1.4, `the rest was held back too: ${seconds} s`)
  assert.equal(readBytes, BYTES.byteLength)
  assert.equal(registry.stats.requests.length, 1)
})

test('an aborted reader does not go on waiting for bandwidth', async (t) => {
  const scope = testScope(t)
  const registry = scope.use(await startFaultRegistry())
  const bandwidth = new BandwidthLimiter({ ...UNLIMITED, total: 64 * 1024 }, { clock: systemClock })
  const { client } = scope.use(clientOf(registry, {}, {}, { bandwidth }))
  const { digest } = registry.addBlob(REPOSITORY, BYTES)
  const access = { origins: [{ namespace: registry.host, repository: REPOSITORY }] }
  const range = { start: 0, end: BYTES.byteLength }
  const pieces = client.readBlob({ digest, sizeBytes: BYTES.byteLength }, access, range, {
    signal: AbortSignal.timeout(100),
  })
  await assert.rejects(
    async () => {
      for await (const _ of pieces);
    },
    { name: 'TimeoutError' },
  )
  assert.equal(bandwidth.waitingCount, 0)
})
