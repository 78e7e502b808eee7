import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CacheLevels, type CacheLevelsComponents } from '../../../src/agent/cache-levels.ts'
import type { SchedulerListener } from '../../../src/scheduler/index.ts'
import { Metrics } from '../../../src/telemetry/index.ts'

function lab() {
  const listeners: SchedulerListener[] = []
  const metrics = new Metrics()
  const levels = new CacheLevels({
    metrics,
    scheduler: {
      listen: (listener) => {
        listeners.push(listener)
        return () => undefined
      },
      freshChunks: { keptBytes: 5, limitBytes: 100 },
    },
    store: { usage: () => ({ usedBytes: 700, quotaBytes: 9_000, memoryBytes: 20, memoryLimitBytes: 400 }) },
  } satisfies CacheLevelsComponents)
  const serve: NonNullable<SchedulerListener['served']> = (...served) => listeners[0]?.served?.(...served)
  return { levels, metrics, serve }
}

describe('the levels that chunks come from', () => {
  it('are counted each with its size, hits, bytes and times', () => {
    const { levels, serve } = lab()
    for (let i = 0; i < 98; i++) serve('memory', 1_000, 0.1)
    serve('memory', 1_000, 40)
    serve('memory', 1_000, 40)
    serve('origin', 7, 250)
    const [memory, disk, peers, tracker, origin] = levels.status
    assert.ok(memory && disk && peers && tracker && origin)
    assert.partialDeepStrictEqual(memory, {
      level: 'memory',
      usedBytes: 25,
      limitBytes: 500,
      hits: 100,
      bytes: 100_000,
    })
    assert.ok(Math.abs(memory.p50Ms - 0.1) < 0.01 && Math.abs(memory.p99Ms - 40) < 1, JSON.stringify(memory))
    assert.deepEqual(disk, { level: 'disk', usedBytes: 700, limitBytes: 9_000, hits: 0, bytes: 0, p50Ms: 0, p99Ms: 0 })
    assert.deepEqual(peers, { level: 'peers', hits: 0, bytes: 0, p50Ms: 0, p99Ms: 0 })
    assert.partialDeepStrictEqual(origin, { level: 'origin', hits: 1, bytes: 7 })
  })

  it('take times that are nothing, or beyond all bounds', () => {
    const { levels, serve } = lab()
    serve('disk', 1, 0)
    serve('disk', 1, 1e9)
    assert.equal(levels.status[1]?.hits, 2)
  })

  it('are metrics by level', async () => {
    const { metrics, serve } = lab()
    serve('peers', 10, 3)
    const text = await metrics.render()
    for (const line of [
      'shoal_cache_hits_total{level="peers"} 1',
      'shoal_cache_served_bytes_total{level="peers"} 10',
      'shoal_cache_seconds_bucket{le="0.003",level="peers"} 1',
      'shoal_cache_seconds_bucket{le="0.001",level="peers"} 0',
      'shoal_cache_bytes{level="disk"} 700',
      'shoal_cache_limit_bytes{level="memory"} 500',
    ])
      assert.ok(text.includes(`${line}\n`), line)
  })
})
