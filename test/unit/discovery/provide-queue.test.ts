import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { discoveryMetrics } from '../../../src/discovery/metrics.ts'
import { ProvideQueue } from '../../../src/discovery/provide-queue.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { FakeRecords } from '../../support/fake-discovery-node.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const layer = digestOf(Buffer.from('layer'))
const other = digestOf(Buffer.from('other'))

function setUp(): { records: FakeRecords; clock: VirtualClock; queue: ProvideQueue } {
  const records = new FakeRecords()
  const clock = new VirtualClock()
  const metrics = discoveryMetrics(new Metrics())
  return {
    records,
    clock,
    queue: new ProvideQueue({ records, clock, metrics, random: () => 0, logger: silentLogger() }),
  }
}

describe('provide queue', () => {
  it('provides a layer once, however often it is told', async () => {
    const { records, clock, queue } = setUp()
    for (let times = 0; times < 5; times++) queue.add(layer)
    await settle()
    queue.add(layer)
    await clock.advance(3_600_000)
    assert.deepEqual(records.provided, [layer])
  })

  it('begins later when it is told to, whoever connects meanwhile', async () => {
    const { records, clock, queue } = setUp()
    queue.add(layer, 10_000)
    queue.onConnected()
    await clock.advance(9_999)
    assert.equal(records.provided.length, 0)
    await clock.advance(1)
    assert.equal(records.provided.length, 1)
  })

  it('begins sooner what was put off when it is hastened, and nothing later', async () => {
    const { records, clock, queue } = setUp()
    queue.add(layer, 100_000)
    queue.add(other, 5_000)
    queue.hasten(() => 10_000)
    await clock.advance(5_000)
    assert.deepEqual(records.provided, [other])
    await clock.advance(5_000)
    assert.deepEqual(records.provided, [other, layer])
    queue.hasten(() => 1_000)
    await clock.advance(3_600_000)
    assert.equal(records.provided.length, 2)
  })

  it('tries again with growing waits while nobody can be told', async () => {
    const { records, clock, queue } = setUp()
    records.reach = 0
    queue.add(layer)
    await clock.advance(1_000 + 2_000 + 4_000)
    assert.equal(records.provided.length, 4)
    records.reach = 3
    await clock.advance(8_000)
    assert.equal(records.provided.length, 5)
    await clock.advance(3_600_000)
    assert.equal(records.provided.length, 5)
  })

  it('tries again soon after a new connection, and not later for each further one', async () => {
    const { records, clock, queue } = setUp()
    records.reach = 0
    queue.add(layer)
    await clock.advance(20_000)
    records.reach = 1
    const before = records.provided.length
    queue.onConnected()
    for (let connections = 0; connections < 9; connections++) {
      await clock.advance(100)
      queue.onConnected()
    }
    await clock.advance(100)
    assert.equal(records.provided.length, before + 1)
  })

  it('takes back a layer, also one that it has not provided yet', async () => {
    const { records, clock, queue } = setUp()
    records.reach = 0
    queue.add(layer)
    await settle()
    queue.remove(layer)
    queue.remove(other)
    await clock.advance(600_000)
    assert.deepEqual(records.withdrawn, [layer])
    assert.equal(records.provided.length, 1)
    queue.add(layer)
    await settle()
    assert.equal(records.provided.length, 2)
  })

  it('forgets the layers provided longest ago past its bound', async () => {
    const { records, queue } = setUp()
    for (let index = 0; index < 16_385; index++) queue.add(digestOf(Buffer.from(`${index}`)))
    await settle()
    await queue.stop()
    assert.deepEqual(new Set(records.withdrawn), new Set([digestOf(Buffer.from('0'))]))
  })

  it('does nothing more once stopped', async () => {
    const { records, clock, queue } = setUp()
    records.reach = 0
    queue.add(layer)
    await settle()
    await queue.stop()
    queue.add(other)
    await clock.advance(600_000)
    assert.deepEqual(records.provided, [layer])
    assert.equal(clock.pendingCount, 0)
  })
})
