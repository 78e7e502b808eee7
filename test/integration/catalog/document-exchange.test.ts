import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gridLayout, TocLayout } from '../../../src/chunking/index.ts'
import { DocumentExchange, type DocumentReply, type DocumentRequest } from '../../../src/catalog/index.ts'
import { type AbortOptions, ShoalError } from '../../../src/core/index.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { descriptorOf, manifestOf, REPOSITORY } from '../../support/catalog-fakes.ts'
import { eventually, startP2pSwarm } from '../../support/p2p-swarm.ts'

const manifest = manifestOf('app')

type Answer = (request: DocumentRequest, options: AbortOptions) => Promise<DocumentReply>

/** Two connected nodes, of which the second serves `answer`. */
async function exchangePair(answer: Answer) {
  const swarm = await startP2pSwarm(2)
  const [asker, server] = swarm.nodes.map((node) => ({
    node,
    documents: new DocumentExchange({ trackers: [] }, { streams: node, logger: silentLogger() }),
  }))
  assert.ok(asker && server)
  await server.documents.start(answer)
  const peer = { id: server.node.peerId, addresses: server.node.addresses() }
  return {
    asker: asker.documents,
    server: server.documents,
    peer,
    ask: async (request: DocumentRequest, options: AbortOptions = {}) =>
      await asker.documents.ask(peer, request, options),
    [Symbol.asyncDispose]: async () => {
      await server.documents.stop()
      await swarm[Symbol.asyncDispose]()
    },
  }
}

const manifestRequest = { kind: 'manifest', origin: REPOSITORY, digest: manifest.digest } as const

describe('documents over two nodes', { timeout: 20_000 }, () => {
  it('carry tags, manifests, traces, and whether a repository is public', async () => {
    const trace = { sizeBytes: 2 ** 43, offsets: Array.from({ length: 512 }, (_, i) => 2 ** 43 - 1 - i) }
    await using pair = await exchangePair(async ({ kind }) => {
      if (kind === 'public') return { kind, isPublic: true }
      if (kind === 'manifest') return { kind, document: manifest }
      if (kind === 'trace') return { kind, trace }
      if (kind === 'layout') return { kind: 'none' }
      return { kind, descriptor: descriptorOf(manifest), ageMs: 5 }
    })
    assert.deepEqual(await pair.ask({ kind: 'public', origin: REPOSITORY }), { kind: 'public', isPublic: true })
    const reply = await pair.ask({ kind: 'tag', origin: REPOSITORY, tag: 'v1' })
    assert.deepEqual(reply, { kind: 'tag', descriptor: descriptorOf(manifest), ageMs: 5 })
    const offer = { kind: 'trace', digest: manifest.digest, offer: trace } as const
    assert.deepEqual(await pair.ask(offer), { kind: 'trace', trace })
    const document = await pair.ask(manifestRequest)
    assert.ok(document.kind === 'manifest')
    assert.deepEqual(Buffer.from(document.document.bytes), Buffer.from(manifest.bytes))
  })

  it('carry how a blob is cut', async () => {
    const toc = new TocLayout(Float64Array.from([7, 400, 1_000]))
    const questions: DocumentRequest[] = []
    await using pair = await exchangePair(async (request) => {
      questions.push(request)
      return {
        kind: 'layout',
        layout: request.kind === 'layout' && request.ref.sizeBytes === 1_000 ? toc : gridLayout(5),
      }
    })
    const { digest } = manifest
    const question = {
      kind: 'layout',
      ref: { digest, sizeBytes: 1_000 },
      anchor: { format: 'estargz', digest },
      origins: [{ ...REPOSITORY, authorization: `Bearer ${'x'.repeat(4_000)}` }],
    } as const
    const reply = await pair.ask(question)
    assert.deepEqual(questions, [question])
    assert.ok(reply.kind === 'layout')
    assert.equal(reply.layout.fingerprint, toc.fingerprint)
    const grid = await pair.ask({ ...question, ref: { digest, sizeBytes: 5 } })
    assert.ok(grid.kind === 'layout')
    assert.equal(grid.layout.kind, 'grid')
  })

  it('refuse how another blob is cut', async () => {
    await using pair = await exchangePair(async () => ({
      kind: 'layout',
      layout: new TocLayout(Float64Array.from([7, 400])),
    }))
    const { digest } = manifest
    const question = {
      kind: 'layout',
      ref: { digest, sizeBytes: 401 },
      anchor: { format: 'zstd-chunked', digest, offset: 1, sizeBytes: 2, rawBytes: 3 },
      origins: [],
    } as const
    await assert.rejects(pair.ask(question), { code: 'DOCUMENT_PROTOCOL', blame: 'peer' })
  })

  it('refuse a manifest without its digest, and an answer to another question', async () => {
    const other = manifestOf('other')
    await using pair = await exchangePair(async ({ kind }) =>
      kind === 'manifest' ? { kind, document: other } : { kind: 'public', isPublic: true },
    )
    await assert.rejects(pair.ask(manifestRequest), { code: 'DOCUMENT_PROTOCOL', blame: 'peer' })
    await assert.rejects(pair.ask({ kind: 'tag', origin: REPOSITORY, tag: 'v1' }), { code: 'DOCUMENT_PROTOCOL' })
  })

  it('say none when the server cannot ask its origin', async () => {
    await using pair = await exchangePair(async () => {
      throw new ShoalError('down', { code: 'DOWN', blame: 'origin', retryable: true })
    })
    assert.deepEqual(await pair.ask(manifestRequest), { kind: 'none' })
  })

  it('end with the signal of who asks, and with the server', async () => {
    const waits: Answer = async (_request, { signal }) => {
      const { promise, reject } = Promise.withResolvers<DocumentReply>()
      signal?.addEventListener('abort', () => reject(signal.reason))
      return await promise
    }
    await using pair = await exchangePair(waits)
    await assert.rejects(pair.ask(manifestRequest, { signal: AbortSignal.timeout(50) }))
    const asking = assert.rejects(pair.ask(manifestRequest))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await pair.server.stop()
    await asking
  })

  it('know the agents that are connected', async () => {
    await using pair = await exchangePair(async () => ({ kind: 'none' }))
    await eventually(() => pair.asker.agents().some(({ id }) => id === pair.peer.id))
  })
})
