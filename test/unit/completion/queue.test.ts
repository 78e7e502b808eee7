import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CompletionQueue } from '../../../src/completion/queue.ts'
import { type Digest, digestOf } from '../../../src/core/index.ts'

const MINUTE = 60_000

function layer(name: string): Digest {
  return digestOf(Buffer.from(name))
}

function read(name: string, repository = 'app') {
  const access = { origins: [{ namespace: 'registry.test', repository }] }
  return { ref: { digest: layer(name), sizeBytes: 10 }, access }
}

describe('the queue of layers to complete', () => {
  it('puts the image that was read last first, and of it the layer that was', () => {
    const queue = new CompletionQueue()
    queue.touch(read('old', 'app'), 1)
    queue.touch(read('other', 'db'), 2)
    queue.touch(read('new', 'app'), 3)
    const order = []
    for (let next = queue.next(4); next !== undefined; next = queue.next(4)) {
      order.push(next.ref.digest)
      queue.delete(next.ref.digest)
    }
    assert.deepEqual(order, [layer('new'), layer('old'), layer('other')])
  })

  it('says whether a layer is new to it, and moves one that is not to the front', () => {
    const queue = new CompletionQueue()
    assert.deepEqual([queue.touch(read('a', 'x'), 1), queue.touch(read('b', 'y'), 2)], [true, true])
    assert.equal(queue.touch(read('a', 'x'), 3), false)
    assert.equal(queue.next(3)?.ref.digest, layer('a'))
  })

  it('remembers so many layers and forgets those that were read longest ago', () => {
    const queue = new CompletionQueue()
    for (let i = 0; i < 300; i++) queue.touch(read(`layer-${i}`), i)
    assert.equal(queue.waiting().length, 256)
    assert.equal(queue.waiting().at(-1)?.ref.digest, layer('layer-44'))
  })

  it('forgets a layer, and the rights it was read with, that nobody has read for an hour', () => {
    const queue = new CompletionQueue()
    queue.touch(read('gone'), 0)
    queue.touch(read('there'), 30 * MINUTE)
    assert.equal(queue.next(60 * MINUTE)?.ref.digest, layer('there'))
    assert.equal(queue.waiting().length, 1)
  })

  it('tries a layer that failed again after a minute, then two, and leaves it alone after the fifth failure', () => {
    const queue = new CompletionQueue()
    queue.touch(read('a'), 0)
    let nowMs = 0
    const pauses = []
    for (let isTriedAgain = true; isTriedAgain; ) {
      isTriedAgain = queue.failed(layer('a'), nowMs)
      if (!isTriedAgain) break
      pauses.push((queue.nextMs - nowMs) / MINUTE)
      assert.equal(queue.next(queue.nextMs - 1), undefined)
      nowMs = queue.nextMs
      assert.equal(queue.next(nowMs)?.ref.digest, layer('a'))
    }
    assert.deepEqual(pauses, [1, 2, 4, 8])
    assert.deepEqual([queue.next(nowMs + 30 * MINUTE), queue.nextMs], [undefined, Number.POSITIVE_INFINITY])
  })

  it('does not begin a layer anew that failed too often because it is read again, but does so later', () => {
    const queue = new CompletionQueue()
    queue.touch(read('a'), 0)
    for (let i = 0; i < 5; i++) queue.failed(layer('a'), 0)
    assert.equal(queue.touch(read('a'), MINUTE), false)
    assert.equal(queue.next(MINUTE), undefined)
    queue.touch(read('a'), 200 * MINUTE)
    assert.equal(queue.next(200 * MINUTE)?.ref.digest, layer('a'))
  })

  it('lets others go first while there is no room for a layer', () => {
    const queue = new CompletionQueue()
    queue.touch(read('small'), 0)
    queue.touch(read('large'), 1)
    queue.lacksRoom(layer('large'), 1)
    assert.equal(queue.next(1)?.ref.digest, layer('small'))
    assert.equal(queue.next(MINUTE)?.ref.digest, layer('large'))
    assert.deepEqual(
      queue.waiting().map(({ obstacle }) => obstacle),
      ['room', undefined],
    )
  })
})
