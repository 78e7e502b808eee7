import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  generateClusterKey,
  generateIdentity,
  KeyFileError,
  type KeyFileProblem,
  loadClusterKey,
  loadIdentity,
  loadOrCreateIdentity,
  peerIdOf,
  saveClusterKey,
  saveIdentity,
} from '../../../src/p2p/index.ts'
import { tempFolder } from '../../support/scope.ts'

function isProblem(problem: KeyFileProblem, path: string): (error: unknown) => boolean {
  return (error) => error instanceof KeyFileError && error.problem === problem && error.message.startsWith(`${path}: `)
}

describe('key files', () => {
  it('are created once, readable by their owner only, and give the same identity again', async () => {
    await using folder = await tempFolder('keys')
    const file = join(folder.path, 'deep', 'identity')
    const created = await loadOrCreateIdentity(file)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(join(folder.path, 'deep')), ['identity'])
    assert.equal(peerIdOf(await loadOrCreateIdentity(file)), peerIdOf(created))
    assert.equal(peerIdOf(await loadIdentity(file)), peerIdOf(created))
  })

  it('give one identity to processes that start at the same time', async () => {
    await using folder = await tempFolder('keys')
    const file = join(folder.path, 'identity')
    const identities = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateIdentity(file)))
    assert.equal(new Set(identities.map(peerIdOf)).size, 1)
    assert.deepEqual(await readdir(folder.path), ['identity'])
  })

  it('are never overwritten', async () => {
    await using folder = await tempFolder('keys')
    const file = join(folder.path, 'key')
    await saveClusterKey(file, generateClusterKey())
    const before = await readFile(file, 'utf8')
    await assert.rejects(saveClusterKey(file, generateClusterKey()), isProblem('exists', file))
    await assert.rejects(saveIdentity(file, await generateIdentity()), isProblem('exists', file))
    assert.equal(await readFile(file, 'utf8'), before)
    assert.deepEqual(await readdir(folder.path), ['key'])
    assert.deepEqual((await loadClusterKey(file)).toText(), before.trim())
  })

  it('say which file is missing, which is damaged and which cannot be read', async () => {
    await using folder = await tempFolder('keys')
    const missing = join(folder.path, 'missing')
    await assert.rejects(loadIdentity(missing), isProblem('missing', missing))
    await assert.rejects(loadClusterKey(missing), isProblem('missing', missing))
    const damaged = join(folder.path, 'damaged')
    await writeFile(damaged, 'not a key')
    await assert.rejects(loadIdentity(damaged), isProblem('invalid', damaged))
    await assert.rejects(loadOrCreateIdentity(damaged), isProblem('invalid', damaged))
    await assert.rejects(loadClusterKey(damaged), isProblem('invalid', damaged))
    const long = join(folder.path, 'long')
    await writeFile(long, 'A'.repeat(100_000))
    await assert.rejects(loadIdentity(long), isProblem('invalid', long))
    const directory = join(folder.path, 'directory')
    await mkdir(directory)
    await assert.rejects(loadIdentity(directory), isProblem('io', directory))
  })
})
