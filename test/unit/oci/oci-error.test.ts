import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_ERROR_CODES, ociError } from '../../../src/oci/index.ts'

test('an error body has one error, with a detail only when there is one', () => {
  assert.deepEqual(ociError('BLOB_UNKNOWN', 'no such blob'), {
    errors: [{ code: 'BLOB_UNKNOWN', message: 'no such blob' }],
  })
  assert.deepEqual(ociError('DENIED', 'no', { a: 1 }).errors[0]?.detail, { a: 1 })
})

test('there is a body for every code of the specification', () => {
  for (const code of OCI_ERROR_CODES)
    assert.deepEqual(
      ociError(code, '').errors.map((error) => error.code),
      [code],
    )
})
