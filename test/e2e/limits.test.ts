import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../support/processes.ts'
import { testScope } from '../support/scope.ts'
import { SHOAL } from '../support/shoal-process.ts'
import { Swarm } from '../support/swarm.ts'

const TEST_TIMEOUT_MS = 60_000
const COMMAND_TIMEOUT_MS = 30_000

test('limits are shown and changed while a process runs', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const settings = { limits: { origin: { background: '1MiB/s' } } }
  const swarm = testScope(t).use(await Swarm.start({ agents: 0, trackers: 1, origins: [], settings }))
  const [tracker] = swarm.trackers
  assert.ok(tracker)
  const shoal = async (...args: readonly string[]) =>
    await run(SHOAL, [...args, '--admin', tracker.adminUrl], { timeoutMs: COMMAND_TIMEOUT_MS })

  const before = await shoal('limits')
  assert.equal(before.code, 0, before.output)
  assert.match(before.output, /^origin +unlimited +unlimited +unlimited +1MiB\/s$/m)

  const changed = await shoal('limits', 'set', 'upload.total=50MiB/s', 'origin.background=unlimited')
  assert.equal(changed.code, 0, changed.output)
  assert.match(changed.output, /^upload +50MiB\/s +unlimited/m)
  assert.match(changed.output, /until the process ends/)

  const refused = await shoal('limits', 'set', 'upload.total=1MiB/s', 'upload.lazi=1MiB/s')
  assert.equal(refused.code, 2, refused.output)
  assert.match(refused.output, /upload\.lazi: no such limit; did you mean upload\.lazy\?/)

  const shown = await shoal('limits', 'show', '--json')
  const limits = JSON.parse(shown.output) as Record<string, Record<string, string>>
  assert.deepEqual([limits.upload?.total, limits.origin?.background], ['50MiB/s', 'unlimited'])
  assert.match((await shoal('status')).output, /^limits: upload\.total 50MiB\/s$/m)
  const metrics = await (await fetch(`${tracker.adminUrl}/metrics`)).text()
  assert.match(metrics, /shoal_limits_rate_bytes_per_second\{direction="upload",class="total"\} 52428800/)
  assert.doesNotMatch(metrics, /shoal_limits_rate_bytes_per_second\{direction="origin"/)
})
