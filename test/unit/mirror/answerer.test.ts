import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf, ShoalError } from '../../../src/core/index.ts'
import {
  Answerer,
  type AnswererComponents,
  type AnswererInit,
  type IncomingRequest,
} from '../../../src/mirror/answerer.ts'
import { namespaceAllowList } from '../../../src/mirror/index.ts'
import { mirrorMetrics } from '../../../src/mirror/metrics.ts'
import { isStreamed, type Reply } from '../../../src/mirror/reply.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import {
  FakeBlobSource,
  FakeDocuments,
  FakeGate,
  FakeHistory,
  patternBytes,
  SourcesFailedError,
} from '../../support/mirror-fakes.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'
import type { Lease } from '../../../src/util/index.ts'

function answererOver(init: Partial<AnswererInit> = {}, components: Partial<AnswererComponents> = {}) {
  const fakes = {
    blobs: new FakeBlobSource(),
    documents: new FakeDocuments(),
    history: new FakeHistory(),
    gate: new FakeGate(),
  }
  const clock = new VirtualClock()
  const answerer = new Answerer(
    { allows: namespaceAllowList(['registry.test']), defaultNamespace: 'registry.test', ...init },
    { ...fakes, clock, logger: silentLogger(), metrics: mirrorMetrics(new Metrics()), ...components },
  )
  const ask = async (
    url: string,
    headers: Readonly<Record<string, string>> = {},
    more: Partial<IncomingRequest> = {},
  ): Promise<Reply> => {
    const incoming = {
      method: 'GET',
      url,
      header: (name: string) => headers[name],
      isSelf: () => false,
      clientSignal: new AbortController().signal,
    }
    return (await answerer.answer({ ...incoming, ...more })).reply
  }
  return { ...fakes, clock, ask }
}

const CONTAINERD = { 'user-agent': 'containerd/2.1.3' }
const STARGZ = { 'user-agent': 'Go-http-client/1.1', range: 'bytes=100-199' }
const SKOPEO = { 'user-agent': 'skopeo/1.9.3' }
const DIGEST = digestOf(Buffer.from('a layer'))
const BLOB_URL = `/v2/lib/app/blobs/${DIGEST}`

describe('a blob that cannot be had now', () => {
  test('is 404 to containerd and 503 to those who own the mirror', async () => {
    const { blobs, ask } = answererOver()
    blobs.openError = new SourcesFailedError()
    assert.equal((await ask(BLOB_URL, CONTAINERD)).status, 404)
    assert.equal((await ask(BLOB_URL, STARGZ)).status, 503)
    assert.equal((await ask(BLOB_URL, SKOPEO)).status, 503)
    assert.equal((await ask(BLOB_URL, { ...STARGZ, range: 'bytes=0-1' })).status, 404)
  })

  test('is never 404 to a client that was served it before, not even when nobody has it any more', async () => {
    const { blobs, ask } = answererOver()
    blobs.blobs.set(DIGEST, { sizeBytes: 1000 })
    assert.equal((await ask(BLOB_URL, { ...STARGZ, range: 'bytes=0-1' })).status, 206)
    blobs.blobs.clear()
    assert.equal((await ask(BLOB_URL, { ...STARGZ, range: 'bytes=0-1' })).status, 503)
    assert.equal((await ask(BLOB_URL, CONTAINERD)).status, 404)
  })

  test('is 404 when nobody has it and nobody depends on it', async () => {
    const { ask } = answererOver()
    for (const client of [CONTAINERD, STARGZ, SKOPEO]) assert.equal((await ask(BLOB_URL, client)).status, 404)
  })
})

describe('credentials that ran out since the origin last accepted them', () => {
  class UnauthorizedError extends ShoalError {
    readonly challenges = ['Bearer realm="https://auth.test/token"']

    constructor() {
      super('origin asks for other credentials', { code: 'ORIGIN_UNAUTHORIZED', blame: 'caller', retryable: false })
    }
  }

  test('are asked for anew with the challenge of the origin, whatever was to be read with them', async () => {
    const { blobs, documents, ask } = answererOver()
    // The scheduler says that no source is left, and why.
    const init = {
      code: 'SOURCES_EXHAUSTED',
      blame: 'origin',
      retryable: true,
      cause: new UnauthorizedError(),
    } as const
    blobs.openError = new ShoalError('no source left', init)
    documents.error = new UnauthorizedError()
    for (const url of [BLOB_URL, '/v2/lib/app/manifests/v1', '/v2/lib/app/tags/list']) {
      const reply = await ask(url, { ...STARGZ, authorization: 'Bearer old' })
      assert.deepEqual([url, reply.status], [url, 401])
      assert.deepEqual(reply.headers['www-authenticate'], new UnauthorizedError().challenges)
    }
  })

  test("are not asked for when the client sent none: those the origin refused are the agent's own", async () => {
    const { blobs, ask } = answererOver()
    blobs.openError = new UnauthorizedError()
    assert.equal((await ask(BLOB_URL, CONTAINERD)).status, 404)
  })
})

describe('a manifest that cannot be had now', () => {
  test('is 404 to everybody, so that they take the whole image from the origin', async () => {
    const { documents, ask } = answererOver()
    documents.error = new SourcesFailedError()
    for (const client of [CONTAINERD, STARGZ, SKOPEO])
      assert.equal((await ask('/v2/lib/app/manifests/v1', client)).status, 404)
  })
})

describe('the wait for the first byte', () => {
  test('ends after 12 s for containerd and 5 s for owners, also when nothing heeds the signal', async () => {
    const waits = [
      { client: CONTAINERD, untilMs: 12_000, status: 404 },
      { client: SKOPEO, untilMs: 5_000, status: 503 },
    ]
    for (const { client, untilMs, status } of waits) {
      const { clock, ask } = answererOver({}, { blobs: { open: () => new Promise(() => {}) } })
      let reply: Reply | undefined
      const asked = ask(BLOB_URL, client).then((answer) => (reply = answer))
      await clock.advance(untilMs - 1)
      assert.equal(reply, undefined)
      await clock.advance(1)
      assert.equal((await asked).status, status)
      assert.equal(clock.pendingCount, 0)
    }
  })

  test('goes on while bytes are coming in, up to the hard limit', async () => {
    let heldBytes = 0
    const handle = {
      sizeBytes: 1000,
      get heldBytes() {
        return heldBytes
      },
      lend: () => neverEnding(),
      close: () => {},
    }
    const { clock, ask } = answererOver({}, { blobs: { open: async () => handle } })
    let reply: Reply | undefined
    const asked = ask(BLOB_URL, CONTAINERD).then((answer) => (reply = answer))
    for (let seconds = 0; seconds < 59; seconds++) {
      heldBytes += 1
      await clock.advance(1_000)
    }
    assert.equal(reply, undefined)
    await clock.advance(1_000)
    assert.equal((await asked).status, 404)
  })

  test('closes a blob that is opened too late', async () => {
    const late = Promise.withResolvers<void>()
    const source = new FakeBlobSource()
    source.blobs.set(DIGEST, { sizeBytes: 1000 })
    const { clock, ask } = answererOver(
      {},
      { blobs: { open: async (...call) => (await late.promise, await source.open(...call)) } },
    )
    const asked = ask(BLOB_URL, CONTAINERD)
    await clock.advance(12_000)
    assert.equal((await asked).status, 404)
    late.resolve()
    await settle()
    await settle()
    assert.equal(source.openHandles, 0)
  })

  test('leaves neither timers nor open blobs behind when the client has gone', async () => {
    const { blobs, clock, ask } = answererOver()
    blobs.blobs.set(DIGEST, { sizeBytes: 1000, stallAfterBytes: 0 })
    const client = new AbortController()
    const asked = ask(BLOB_URL, CONTAINERD, { clientSignal: client.signal })
    await settle()
    client.abort()
    await asked
    await settle()
    assert.deepEqual([blobs.openHandles, blobs.abortedReads, clock.pendingCount], [0, 1, 0])
  })
})

describe('what is asked of the ports', () => {
  test('has the size that the repository itself names: another may name any', async () => {
    const { blobs, history, ask } = answererOver()
    history.note(
      DIGEST,
      { namespace: 'registry.test', repository: 'other/app', sizeBytes: 1 },
      { namespace: 'registry.test', repository: 'lib/app', sizeBytes: 1000 },
    )
    await ask(BLOB_URL)
    assert.equal(blobs.requests[0]?.sizeBytes, 1000)
  })

  test('names the origin, the demand, the size seen before, and passes the credentials on', async () => {
    const { blobs, history, gate, ask } = answererOver()
    blobs.blobs.set(DIGEST, { sizeBytes: 1000 })
    history.note(DIGEST, { namespace: 'registry.test', repository: 'lib/app', sizeBytes: 1000 })
    const demands = { whole: undefined, open: 'bytes=5-', range: 'bytes=-5' }
    for (const range of Object.values(demands)) {
      const reply = await ask(BLOB_URL, { ...(range === undefined ? {} : { range }), authorization: 'Bearer t' })
      if (isStreamed(reply.body)) reply.body.done({ end: 'complete' })
    }
    assert.deepEqual(
      blobs.reads.map(({ demand }) => demand),
      Object.keys(demands),
    )
    const origin = { namespace: 'registry.test', repository: 'lib/app' }
    assert.deepEqual(blobs.requests[0], {
      digest: DIGEST,
      sizeBytes: 1000,
      origins: [origin],
      authorization: 'Bearer t',
    })
    assert.deepEqual(gate.checks[0], {
      origin,
      subject: { kind: 'blob', reference: DIGEST },
      authorization: 'Bearer t',
    })
    assert.equal(blobs.openHandles, 0)
  })

  test('is nothing for a caller who is not let in', async () => {
    const { blobs, documents, gate, ask } = answererOver()
    blobs.blobs.set(DIGEST, { sizeBytes: 1000 })
    const expected = {
      challenge: [401, 401],
      denied: [404, 403],
      missing: [404, 404],
      unconfirmed: [404, 503],
    } as const
    for (const [outcome, statuses] of Object.entries(expected)) {
      gate.outcome =
        outcome === 'challenge' ? { outcome, challenges: ['Basic realm="x"'] } : { outcome: outcome as 'denied' }
      const replies = [await ask(BLOB_URL, CONTAINERD), await ask(BLOB_URL, SKOPEO)]
      assert.deepEqual(
        replies.map(({ status }) => status),
        statuses,
      )
    }
    assert.deepEqual([blobs.requests, documents.asked], [[], []])
  })

  test('does not follow a folder name for a host into another registry', async () => {
    const { documents, ask } = answererOver({ allows: namespaceAllowList(['registry.test', 'reg:5000']) })
    documents.add('v1', {})
    assert.equal((await ask('/v2/reg_5000_/lib/app/manifests/v1')).status, 200)
    assert.deepEqual(documents.asked[0]?.origin, { namespace: 'reg:5000', repository: 'lib/app' })
    assert.equal((await ask('/v2/evil_5000_/lib/app/manifests/v1')).status, 404)
  })
})

test('a body that is finished early frees its blob and stops reading', async () => {
  const { blobs, ask } = answererOver()
  const digest = blobs.add(patternBytes(0, 1_000_000))
  const reply = await ask(`/v2/lib/app/blobs/${digest}`, CONTAINERD)
  assert.ok(isStreamed(reply.body))
  reply.body.done({ end: 'client-gone' })
  await settle()
  assert.deepEqual([blobs.openHandles, blobs.producedBytes], [0, 65_536])
})

async function* neverEnding(): AsyncGenerator<Lease> {
  yield await new Promise<never>(() => {})
}
