import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bitfield, BitfieldError } from '../../../src/chunking/index.ts'

test('counts bits from the most significant of each byte', () => {
  const field = new Bitfield(10)
  field.set(0)
  field.set(9)
  assert.deepEqual([...field.toBytes()], [0x80, 0x40])
  assert.equal(field.count, 2)
  assert.deepEqual([...field.indices()], [0, 9])
})

test('setting or clearing twice counts once', () => {
  const field = new Bitfield(3)
  field.set(1)
  field.set(1)
  assert.equal(field.count, 1)
  field.clear(1)
  field.clear(1)
  assert.equal(field.count, 0)
  assert.equal(field.has(1), false)
})

test('has nothing outside the field and refuses to set there', () => {
  const field = Bitfield.fromBytes(new Uint8Array([0xff]), 8)
  assert.equal(field.has(8), false)
  assert.equal(field.has(-1), false)
  assert.throws(() => field.set(8), RangeError)
  assert.throws(() => field.clear(-1), RangeError)
})

test('refuses bytes of the wrong length or with padding that is not zero', () => {
  assert.throws(() => Bitfield.fromBytes(new Uint8Array(2), 8), BitfieldError)
  assert.throws(() => Bitfield.fromBytes(new Uint8Array(0), 1), BitfieldError)
  assert.throws(() => Bitfield.fromBytes(new Uint8Array([0, 0x01]), 15), BitfieldError)
  assert.equal(Bitfield.fromBytes(new Uint8Array([0, 0x02]), 15).has(14), true)
  assert.equal(Bitfield.fromBytes(new Uint8Array(0), 0).count, 0)
})

test('keeps its own bytes', () => {
  const bytes = new Uint8Array([0x80])
  const field = Bitfield.fromBytes(bytes, 1)
  bytes[0] = 0
  field.toBytes()[0] = 0
  assert.equal(field.has(0), true)
})
