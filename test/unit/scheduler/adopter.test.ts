import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sha256 } from '../../../src/core/index.ts'
import { Adopter } from '../../../src/scheduler/adopter.ts'
import { DigestTrust } from '../../../src/scheduler/digest-trust.ts'
import { TaskGroup } from '../../../src/scheduler/task-group.ts'
import { settle } from '../../support/virtual-clock.ts'
import { ingestLab } from '../../support/ingest-lab.ts'

const CHUNKS = 6

const digestOf = (chunk: number) => sha256(Buffer.from([chunk]))

/** A blob of six chunks whose even ones the store holds elsewhere, each given when the test says so. */
function adopterLab() {
  const { blob, ingest } = ingestLab(CHUNKS)
  const trust = new DigestTrust(CHUNKS, 2, () => false)
  const tasks = new TaskGroup()
  const elsewhere = new Set([0, 2, 4].map((chunk) => digestOf(chunk).join()))
  const waiting: { chunk: number; finish: (isThere: boolean) => void }[] = []
  const adopted: number[] = []
  blob.canAdopt = (digest: Uint8Array) => elsewhere.has(digest.join())
  blob.adopt = async (chunk: number) =>
    await new Promise((finish) => {
      waiting.push({ chunk, finish })
    })
  const adopter = new Adopter({ trust, ingest, tasks }, (chunk) => adopted.push(chunk))
  return { ingest, trust, tasks, waiting, adopted, adopter }
}

describe('taking over what the store has under other blobs', () => {
  it('begins as soon as a digest is believed, and with what is there only', async () => {
    const { trust, waiting, adopted, adopter } = adopterLab()
    adopter.believed()
    assert.equal(waiting.length, 0)
    for (const chunk of [0, 1, 2]) trust.vouch(chunk, digestOf(chunk))
    adopter.believed([0, 1])
    assert.deepEqual(
      waiting.map(({ chunk }) => chunk),
      [0],
    )
    assert.ok(adopter.isBusy)
    waiting[0]?.finish(true)
    await settle()
    assert.deepEqual(adopted, [0])
    assert.equal(adopter.isBusy, false)
  })

  it('makes a chunk count as had meanwhile, and tells of it once however many ask', async () => {
    const { ingest, trust, waiting, adopted, adopter } = adopterLab()
    for (let chunk = 0; chunk < CHUNKS; chunk++) trust.vouch(chunk, digestOf(chunk))
    adopter.believed()
    adopter.believed()
    assert.ok(ingest.isHad(2))
    const asked = adopter.adopt(2, digestOf(2))
    for (const { finish } of waiting) finish(true)
    assert.equal(await asked, true)
    await settle()
    for (const { finish } of waiting) finish(true)
    await settle()
    assert.deepEqual([...new Set(adopted)], adopted)
    assert.ok([0, 2, 4].every((chunk) => adopted.includes(chunk)))
  })

  it('leaves a chunk to be fetched that is not there any more', async () => {
    const { ingest, trust, waiting, adopted, adopter } = adopterLab()
    trust.vouch(4, digestOf(4))
    adopter.believed([4])
    waiting[0]?.finish(false)
    await settle()
    assert.deepEqual(adopted, [])
    assert.equal(ingest.isHad(4), false)
    assert.equal(adopter.isBusy, false)
  })

  it('ends with the download', async () => {
    const { trust, tasks, waiting, adopted, adopter } = adopterLab()
    for (const chunk of [0, 2, 4]) trust.vouch(chunk, digestOf(chunk))
    adopter.believed()
    const closing = tasks.close()
    for (const { finish } of waiting) finish(false)
    await closing
    assert.deepEqual(adopted, [])
  })
})
