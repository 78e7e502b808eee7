import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { AbortMemory } from '../../../src/mirror/abort-memory.ts'
import { parseRangeHeader } from '../../../src/mirror/byte-ranges.ts'
import { type ClientKind, classifyClient, failureStatus, isLazyProbe } from '../../../src/mirror/client-class.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function kindOf(userAgent: string | undefined, range?: string, usesPeerToPeerPath = false): ClientKind {
  return classifyClient({ userAgent, usesPeerToPeerPath, range: parseRangeHeader(range) })
}

describe('the kind of a client', () => {
  test('is containerd when it asks as containerd does: for all, or all from an offset', () => {
    assert.equal(kindOf('containerd/1.6.20~ds1'), 'containerd')
    assert.equal(kindOf('containerd/2.1.3', 'bytes=0-'), 'containerd')
    assert.equal(kindOf('containerd/2.1.3', 'bytes=1048576-'), 'containerd')
  })

  test('is lazy when it reads bounded ranges, under whatever name', () => {
    assert.equal(kindOf('Go-http-client/1.1'), 'lazy')
    assert.equal(kindOf('containerd/2.1.3', 'bytes=0-1'), 'lazy')
    assert.equal(kindOf(undefined, 'bytes=1048576-2097151'), 'lazy')
    assert.equal(kindOf('containerd/2.1.3', undefined, true), 'lazy')
  })

  test('is told apart for those with habits of their own', () => {
    assert.equal(kindOf('skopeo/1.9.3'), 'podman')
    assert.equal(kindOf('containers/5.30.0 (github.com/containers/image)', 'bytes=0-9,20-29'), 'podman')
    assert.equal(kindOf('cri-o/1.31.0 go/go1.22'), 'podman')
    assert.equal(kindOf('soci-snapshotter/0.11.0', 'bytes=0-1'), 'soci')
    assert.equal(kindOf('curl/8.5.0'), 'other')
    assert.equal(kindOf(undefined), 'other')
  })
})

describe('the answer to a failure', () => {
  const first = { isProbe: false, wasAccepted: false }

  test('sends containerd, and a snapshotter that only probes, to the origin', () => {
    assert.equal(failureStatus('containerd', { isProbe: false, wasAccepted: true }), 404)
    assert.equal(failureStatus('lazy', { isProbe: true, wasAccepted: false }), 404)
    assert.equal(failureStatus('soci', { isProbe: true, wasAccepted: false }), 404)
  })

  test('asks everybody else to try again, above all who has been served before', () => {
    assert.equal(failureStatus('lazy', first), 503)
    assert.equal(failureStatus('lazy', { isProbe: true, wasAccepted: true }), 503)
    assert.equal(failureStatus('podman', first), 503)
    assert.equal(failureStatus('other', first), 503)
  })

  test('knows a probe by its two bytes', () => {
    const probes = ['bytes=0-1', 'bytes=0-', 'bytes=0-0', 'bytes=0-1,5-6', undefined].map((range) =>
      isLazyProbe(parseRangeHeader(range)),
    )
    assert.deepEqual(probes, [true, false, false, false, false])
  })
})

describe('the memory of bodies that broke off', () => {
  test('holds for half a minute, for that kind of client and that blob', async () => {
    const clock = new VirtualClock()
    const memory = new AbortMemory({}, { clock })
    const [one, other] = [digestOf(Buffer.from('1')), digestOf(Buffer.from('2'))]
    memory.note('containerd', one)
    await clock.advance(29_000)
    assert.deepEqual(
      [memory.has('containerd', one), memory.has('lazy', one), memory.has('containerd', other)],
      [true, false, false],
    )
    await clock.advance(1_000)
    assert.equal(memory.has('containerd', one), false)
  })

  test('is bounded, the latest are kept', () => {
    const memory = new AbortMemory({}, { clock: new VirtualClock() })
    const digests = Array.from({ length: 3000 }, (_, i) => digestOf(Buffer.from(String(i))))
    for (const digest of digests) memory.note('containerd', digest)
    const kept = digests.filter((digest) => memory.has('containerd', digest))
    assert.deepEqual(kept, digests.slice(-1024))
  })
})
