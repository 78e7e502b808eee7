import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AbortOptions, type Digest, digestOf, ShoalError } from '../../../src/core/index.ts'
import { MediaType } from '../../../src/oci/index.ts'
import { type ImagePullComponents, type PullEvent, pullImage } from '../../../src/prefetch/index.ts'
import type { BlobHandle } from '../../../src/scheduler/index.ts'
import { manifestOf } from '../../support/catalog-fakes.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const manifest = manifestOf('app')
const REFERENCE = 'registry.test/team/app:v1'

const index = documentOf(MediaType.ociIndex, {
  schemaVersion: 2,
  mediaType: MediaType.ociIndex,
  manifests: [
    {
      mediaType: MediaType.ociManifest,
      digest: manifest.digest,
      size: manifest.bytes.byteLength,
      platform: { os: 'linux', architecture: 'arm64' },
    },
  ],
})

function documentOf(mediaType: string, value: unknown) {
  const bytes = Buffer.from(JSON.stringify(value))
  return { digest: digestOf(bytes), mediaType, bytes }
}

/** A pull whose blobs each end when the test says so. */
function pullLab(tag: Digest = manifest.digest) {
  const clock = new VirtualClock()
  const blobs = new Map<Digest, PromiseWithResolvers<void>>()
  const log = { opened: 0, closed: 0 }
  const open = async ({ digest, sizeBytes }: { readonly digest: Digest; readonly sizeBytes: number }) => {
    log.opened++
    const fetched = Promise.withResolvers<void>()
    blobs.set(digest, fetched)
    let isComplete = false
    const source = { store: 0, peers: 0, tracker: 0, origin: 0 }
    const handle = {
      sizeBytes,
      get isComplete() {
        return isComplete
      },
      get heldBytes() {
        return isComplete ? sizeBytes : 3
      },
      get bytesBySource() {
        return isComplete ? { ...source, peers: sizeBytes } : source
      },
      complete: async (_kind: string, _onProgress: () => void, { signal }: AbortOptions) => {
        signal?.addEventListener('abort', () => fetched.reject(signal.reason))
        await fetched.promise
        isComplete = true
      },
      close: () => void log.closed++,
    }
    return handle as unknown as BlobHandle
  }
  const documents = [manifest, index]
  const components: ImagePullComponents = {
    allows: (namespace) => namespace === 'registry.test',
    resolveTag: async () => ({ digest: tag }),
    manifest: async (_origins, digest) => documents.find((document) => document.digest === digest),
    open,
    clock,
    platform: { os: 'linux', architecture: 'amd64' },
  }
  return { clock, blobs, log, components }
}

async function collect(events: AsyncIterable<PullEvent>, into: PullEvent[] = []): Promise<PullEvent[]> {
  for await (const event of events) into.push(event)
  return into
}

describe('pulling an image', () => {
  it('tells what it resolved, how layers come along, and where the bytes came from', async () => {
    const { clock, blobs, log, components } = pullLab()
    const events: PullEvent[] = []
    const pulling = collect(pullImage(REFERENCE, components, {}), events)
    await clock.advance(250)
    assert.deepEqual(events[0], {
      type: 'resolved',
      reference: REFERENCE,
      digest: manifest.digest,
      layers: 1,
      sizeBytes: 14,
    })
    assert.ok(events.some((event) => event.type === 'layer' && event.heldBytes === 3 && !event.isComplete))
    for (const fetched of blobs.values()) fetched.resolve()
    await clock.advance(250)
    const last = (await pulling).at(-1)
    assert.ok(last?.type === 'done')
    assert.deepEqual(last.bytesBySource, { store: 0, peers: 14, tracker: 0, origin: 0 })
    assert.equal(events.filter((event) => event.type === 'layer' && event.isComplete).length >= 2, true)
    assert.deepEqual(log, { opened: 2, closed: 2 })
  })

  it('refuses what is no reference, not configured, or not there', async () => {
    const refused = { code: 'PULL_REFUSED', blame: 'caller' }
    const { components } = pullLab()
    await assert.rejects(collect(pullImage('NOT A REFERENCE', components, {})), refused)
    await assert.rejects(collect(pullImage('elsewhere.test/app:v1', components, {})), refused)
    const nowhere = { ...components, resolveTag: async () => undefined }
    await assert.rejects(collect(pullImage(REFERENCE, nowhere, {})), refused)
  })

  it('takes the image of the platform that was asked for from an index, and refuses when there is none', async () => {
    const { clock, blobs, components } = pullLab(index.digest)
    await assert.rejects(collect(pullImage(REFERENCE, components, {})), { code: 'PULL_REFUSED' })
    const events: PullEvent[] = []
    const arm = { os: 'linux', architecture: 'arm64' }
    const pulling = collect(pullImage(REFERENCE, components, { platform: arm }), events)
    await clock.advance(1)
    for (const fetched of blobs.values()) fetched.resolve()
    await clock.advance(250)
    await pulling
    assert.ok(events[0]?.type === 'resolved' && events[0].digest === index.digest)
    assert.ok(blobs.has(manifest.layer))
  })

  it('ends the other layers when one fails, closes all of them, and says why', async () => {
    const { clock, blobs, log, components } = pullLab()
    const pulling = collect(pullImage(REFERENCE, components, {}))
    const failing = assert.rejects(pulling, { code: 'NO_SOURCE' })
    await clock.advance(1)
    blobs.get(manifest.layer)?.reject(new ShoalError('gone', { code: 'NO_SOURCE', blame: 'origin', retryable: true }))
    await clock.advance(250)
    await failing
    assert.deepEqual(log, { opened: 2, closed: 2 })
  })

  it('cancels its layers when its caller leaves', async () => {
    const { clock, log, components } = pullLab()
    const events = pullImage(REFERENCE, components, {})
    await events.next()
    const next = events.next()
    await clock.advance(250)
    await next
    await events.return(undefined)
    assert.deepEqual(log, { opened: 2, closed: 2 })
  })
})
