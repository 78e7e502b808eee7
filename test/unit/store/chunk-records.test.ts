import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gridLayout, TocLayout } from '../../../src/chunking/index.ts'
import { digestOf, sha256 } from '../../../src/core/index.ts'
import {
  ABSENT_RECORD,
  decodeHeader,
  decodeRecord,
  encodeHeader,
  encodeRecord,
  HEADER_BYTES,
  recordOffset,
} from '../../../src/store/chunk-records.ts'

const ref = { digest: digestOf(Buffer.from('blob')), sizeBytes: 2 ** 40 - 1 }
const digest = sha256(Buffer.from('chunk'))

function fileWith(records: ReadonlyMap<number, Uint8Array>): Buffer {
  const file = Buffer.alloc(recordOffset(4))
  file.set(encodeHeader(ref, gridLayout(ref.sizeBytes)))
  for (const [chunk, record] of records) file.set(record, recordOffset(chunk))
  return file
}

test('the header says what blob it is', () => {
  assert.deepEqual(decodeHeader(fileWith(new Map()))?.ref, ref)
})

test('the header says how it is cut', () => {
  const layout = new TocLayout(Float64Array.from([5, ref.sizeBytes]))
  const { kind, fingerprint } = layout
  assert.deepEqual(decodeHeader(encodeHeader(ref, layout)), { ref, kind, fingerprint })
  assert.deepEqual(decodeHeader(fileWith(new Map())), { ref, kind: 'grid', fingerprint: '' })
})

test('a header with any bit changed, or cut short, is none', () => {
  const header = Buffer.from(encodeHeader(ref, gridLayout(ref.sizeBytes)))
  for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
    const damaged = Buffer.from(header)
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(decodeHeader(damaged), undefined)
  }
  for (let length = 0; length < HEADER_BYTES; length++)
    assert.equal(decodeHeader(header.subarray(0, length)), undefined)
})

test('a record comes back from its own place only', () => {
  const record = encodeRecord(2, { state: 'alias', digest })
  const file = fileWith(
    new Map([
      [2, record],
      [3, record],
    ]),
  )
  assert.equal(decodeRecord(file, 2)?.state, 'alias')
  assert.deepEqual(Buffer.from(decodeRecord(file, 2)?.digest ?? []), Buffer.from(digest))
  assert.equal(decodeRecord(file, 3), undefined)
})

test('a record that is absent, torn anywhere or beyond the file does not count', () => {
  const record = encodeRecord(1, { state: 'own', digest })
  assert.equal(decodeRecord(fileWith(new Map([[1, ABSENT_RECORD]])), 1), undefined)
  assert.equal(decodeRecord(fileWith(new Map()), 4), undefined)
  for (let length = 0; length < record.byteLength; length++) {
    assert.equal(decodeRecord(fileWith(new Map([[1, record.subarray(0, length)]])), 1), undefined)
  }
})
