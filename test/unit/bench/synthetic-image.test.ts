import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { SyntheticImage } from '../../../bench/lab/synthetic-image.ts'

test('layers have exactly the sizes asked for and the digests they claim', () => {
  const image = new SyntheticImage('seed', [100_001, 7])

  assert.deepEqual(
    image.layers.map(({ size }) => size),
    [100_001, 7],
  )
  for (const layer of image.layers) {
    const sha256 = createHash('sha256').update(layer.read(0, layer.size)).digest('hex')
    assert.equal(layer.digest, `sha256:${sha256}`)
    assert.equal(image.find(layer.digest), layer)
  }
})

test('any range is what the whole has there', () => {
  const [layer] = new SyntheticImage('seed', [5_000_000]).layers
  assert.ok(layer)
  const whole = layer.read(0, layer.size)
  for (const [offset, length] of [
    [0, 1],
    [15, 2],
    [16, 16],
    [1_234_567, 3_000_000],
    [4_999_999, 1],
  ] as const)
    assert.deepEqual(layer.read(offset, length), whole.subarray(offset, offset + length))
})

test('the same seed makes the same image, another one a different image', () => {
  const digest = (seed: string) => new SyntheticImage(seed, [1_000]).manifest.digest
  assert.equal(digest('a'), digest('a'))
  assert.notEqual(digest('a'), digest('b'))
})
