import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gridCutter } from '../../../src/chunking/index.ts'
import { StoreFullError } from '../../../src/store/index.ts'
import { openStore, storeWhole, testBlob } from '../../support/store-lab.ts'

const MIB = 1024 * 1024

/** A disk of 8 MiB of its own; `undefined` where this user may not mount one. */
function mountSmallDisk(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir], { stdio: 'pipe' })
    return dir
  } catch {
    rmSync(dir, { recursive: true })
    return undefined
  }
}

test('a disk that is really full fails writes, keeps what is held, and serves again once there is room', async (t) => {
  const dir = mountSmallDisk()
  if (dir === undefined) return t.skip('NOT TESTED: a real full disk; mounting a tmpfs needs root')
  t.after(() => {
    execFileSync('umount', [dir])
    rmSync(dir, { recursive: true })
  })
  const blob = testBlob(
    Buffer.concat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((fill) => Buffer.alloc(MIB, fill))),
    gridCutter,
  )
  const store = await openStore({ dir, cutter: gridCutter, quotaBytes: 1e12, minFreeBytes: -1e12 })
  const open = await store.open(blob.ref)
  const write = (chunk: number) => open.write(chunk, blob.chunk(chunk), blob.digest(chunk))
  await assert.rejects(async () => {
    for (let chunk = 0; chunk < 10; chunk++) await write(chunk)
  }, StoreFullError)
  const held = open.heldCount
  assert.ok(held >= 5 && held < 8, `${held} chunks fit`)
  assert.deepEqual(Buffer.from(await open.read(0, held * MIB)), blob.bytes.subarray(0, held * MIB))
  await store.close()
  const again = await openStore({ dir, cutter: gridCutter, quotaBytes: 1e12, minFreeBytes: -1e12 })
  assert.equal(again.find(blob.ref.digest)?.heldCount, held)
  const small = testBlob(Buffer.alloc(4 * MIB, 'small'), gridCutter)
  await storeWhole(again, small)
  assert.equal(again.find(blob.ref.digest), undefined, 'the unfinished blob made room')
  await again.close()
})
