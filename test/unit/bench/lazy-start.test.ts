import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reportLazyStart } from '../../../bench/scenarios/lazy-start/lazy-start-report.ts'
import { requestIn } from '../../../bench/scenarios/lazy-start/registry-requests.ts'
import { VARIANTS } from '../../../bench/scenarios/lazy-start/starts.ts'
import { figureAt } from '../../../bench/scenarios/run-figures.ts'
import type { BuiltImage } from '../../support/images.ts'

/** As docker-registry 2.8.2 was seen to write it. */
const LINE = JSON.stringify({
  'http.request.host': '10.77.0.1:5000',
  'http.request.method': 'GET',
  'http.request.remoteaddr': '10.77.0.5:44488',
  'http.request.uri': '/v2/lab/app/blobs/sha256:00',
  'http.request.useragent': 'Go-http-client/1.1',
  'http.response.duration': '2.136536ms',
  'http.response.status': 206,
  'http.response.written': 50_000,
  level: 'info',
  msg: 'response completed',
})

describe('a line of the registry', () => {
  it('tells who asked for what and how much was sent', () => {
    assert.deepEqual(requestIn(LINE), {
      method: 'GET',
      uri: '/v2/lab/app/blobs/sha256:00',
      from: '10.77.0.5',
      userAgent: 'Go-http-client/1.1',
      status: 206,
      sentBytes: 50_000,
    })
  })

  it('counts when the request failed, too', () => {
    assert.equal(requestIn(LINE.replace('completed"', 'completed with error"'))?.status, 206)
  })

  it('tells of no request when it says something else', () => {
    assert.equal(requestIn(JSON.stringify({ level: 'info', msg: 'listening on 10.77.0.1:5000' })), undefined)
    assert.equal(requestIn('GET /v2/ HTTP/1.1'), undefined)
  })
})

describe('the report of lazy starts', () => {
  const image = { blobBytes: 240e6, layers: [] } as unknown as BuiltImage
  const init = { image, nodeBitsPerSecond: 1e8, originBitsPerSecond: 1e8, latencyMs: 0 }
  const lazily = { bytesFromPeers: 1, bytesFromTracker: 2, originBlobRequests: 0, fallbacks: 0 }
  const run = (warm: number, direct: number) => ({
    fullPull: { seconds: 40 },
    warm: { seconds: warm, ...lazily },
    traced: { seconds: 4, ...lazily },
    cold: { seconds: 3, ...lazily, originBlobRequests: 70, fallbacks: 1 },
    direct: { seconds: direct, readBytes: 3 },
    originDirect: { seconds: 2, readBytes: 3 },
  })

  it('compares what one run measured, and takes the median of that', () => {
    const { results } = reportLazyStart(init, VARIANTS, [run(8, 8), run(12, 8), run(10, 2)])
    assert.deepEqual([results['warmByFullPull'], results['warmByDirect'], results['coldByOrigin']], [0.25, 1.5, 1.5])
  })

  it('says nothing of what was not measured', () => {
    const { warm, direct } = run(8, 8)
    const { bars, tables } = reportLazyStart(init, ['warm', 'direct'], [{ warm, direct }])
    assert.deepEqual(
      bars.map(({ figure }) => figure),
      ['warmByDirect', 'originBlobRequests', 'fallbacks'],
    )
    assert.equal(tables[0]?.rows.length, 2)
  })

  it('counts requests of the node that has peers, and clients that went past their agent anywhere', () => {
    const { results, bars } = reportLazyStart(init, VARIANTS, [run(8, 8)])
    assert.deepEqual([results['originBlobRequests'], results['fallbacks']], [0, 1])
    assert.equal(bars.find(({ figure }) => figure === 'fallbacks')?.measured, 1)
    assert.ok(bars.every(({ figure, measured }) => measured === figureAt(results as never, figure)))
  })
})
