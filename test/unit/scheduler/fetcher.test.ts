import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gridLayout } from '../../../src/chunking/index.ts'
import { digestOf, sha256 } from '../../../src/core/index.ts'
import {
  defaultSettings,
  InFlightBudget,
  type SchedulerSettings,
  trackerSettings,
} from '../../../src/scheduler/index.ts'
import { ChunkBoard } from '../../../src/scheduler/chunk-board.ts'
import { DigestTrust } from '../../../src/scheduler/digest-trust.ts'
import { Fetcher } from '../../../src/scheduler/fetcher.ts'
import { PeerState } from '../../../src/scheduler/peer-state.ts'
import { Suspects } from '../../../src/scheduler/suspects.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'
import { freshBuffers, type Lease, unpooled } from '../../../src/util/index.ts'
import { TransferWindow } from '../../../src/scheduler/transfer-window.ts'

const BYTES = Buffer.from('a blob of one chunk')
const REF = { digest: digestOf(BYTES), sizeBytes: BYTES.byteLength }

/** What the agent sends, and what becomes of it. */
interface Delivery {
  readonly payload: Lease
  readonly accept: () => Promise<void>
}

/** A fetcher over an origin that has `originBytes`, asking an agent that sends BYTES; the chunks that were accepted. */
async function fetchUnvouched(
  settings: SchedulerSettings,
  originBytes: Uint8Array,
  { payload = unpooled(BYTES), accept = async () => {} }: Partial<Delivery> = {},
): Promise<number[]> {
  const accepted: number[] = []
  const clock = new VirtualClock()
  const fetcher = new Fetcher(
    { ref: REF, layout: gridLayout(REF.sizeBytes), access: () => ({ origins: [] }), settings },
    {
      board: new ChunkBoard(1),
      trust: new DigestTrust(1, settings.agreement, () => false),
      suspects: new Suspects(),
      budget: new InFlightBudget(settings.inFlightBytes),
      window: new TransferWindow(settings.inFlightBytes).join({
        chunkBytes: BYTES.byteLength,
        onRoom: () => undefined,
      }),
      bandwidth: undefined,
      origin: {
        readBlob: async function* (_ref, _access, { start, end }) {
          yield originBytes.subarray(start, end)
        },
      },
      clock,
      random: () => 0.5,
      hash: sha256,
      buffers: freshBuffers,
    },
    {
      accept: async (chunk) => {
        await accept()
        accepted.push(chunk)
      },
      adopt: async () => false,
      isStillWanted: () => true,
      bandwidthOf: () => 'pull',
      tookMs: () => undefined,
      peerFailed: () => undefined,
      originFailed: () => undefined,
      named: () => undefined,
      ended: () => undefined,
    },
  )
  const agent = new PeerState('agent', 'agent', 1, clock.now())
  agent.following = {
    request: async () => ({ chunk: 0, payload, digest: sha256(BYTES) }),
    requestMap: async () => undefined,
    close: () => undefined,
  }
  fetcher.ask(agent, 0, 'bulk')
  for (let i = 0; i < 5; i++) await settle()
  await fetcher.close()
  return accepted
}

/** How often an agent's payload was given back when its chunk was written, and after. */
async function releases(accept: (isReleased: () => boolean) => Promise<void>): Promise<number> {
  let releasedCount = 0
  const payload: Lease = { ...lent(BYTES), release: () => void releasedCount++ }
  await fetchUnvouched(defaultSettings, BYTES, { payload, accept: async () => await accept(() => releasedCount > 0) })
  return releasedCount
}

function lent(bytes: Uint8Array) {
  return { bytes, share: () => unpooled(bytes) }
}

describe('the buffer of a chunk that came', () => {
  it('is given back once it is written, and not before', async () => {
    const count = await releases(async (isReleased) => {
      await settle()
      assert.equal(isReleased(), false)
    })
    assert.equal(count, 1)
  })

  it('is given back when the chunk cannot be kept', async () => {
    assert.equal(await releases(async () => await Promise.reject(new Error('no disk'))), 1)
  })
})

describe('a chunk known by one agent alone', () => {
  it('is accepted where the origin has the same bytes', async () => {
    assert.deepEqual(await fetchUnvouched(defaultSettings, BYTES), [0])
  })

  it('is not where the origin has others', async () => {
    assert.deepEqual(await fetchUnvouched(defaultSettings, Buffer.alloc(BYTES.byteLength)), [])
  })

  it('is never accepted by a tracker, which vouches', async () => {
    assert.deepEqual(await fetchUnvouched(trackerSettings, BYTES), [])
  })
})
