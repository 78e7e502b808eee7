import { type ChunkLayout, cutAlongToc, gridLayout } from '../chunking/index.ts'
import {
  type AbortOptions,
  type BlobRef,
  type Clock,
  type Digest,
  isAbort,
  type PeerRole,
  ShoalError,
} from '../core/index.ts'
import type { TocAnchor } from '../oci/index.ts'
import { bearerGrants, type OriginAccess, type OriginSource } from '../scheduler/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { SingleFlight } from '../util/index.ts'
import type { LayoutBook } from './layout-book.ts'
import { type LayoutMetrics, layoutMetrics } from './metrics.ts'
import { readToc } from './origin-toc.ts'
import type { ReadTails } from './read-tails.ts'
import type { LayoutPeers, LayoutQuestion } from './ports.ts'
import type { TocReader } from './toc-reader.ts'

/** Longest that all of it may take: the first byte of the layer waits for it, and a lazy client is told to come again after 4 s. */
const FIND_MS = 2_500

/** Longest wait for trackers: one of them may read the table of contents first, and its answer has to get here. */
const TRACKERS_MS = 2_000

/** Longest that a table of contents may take to come from the origin and to be read: a token, a redirect and two answers. */
const CUT_MS = 1_800

/** Longest wait for agents, who answer from memory. */
const AGENTS_MS = 300

/** How long trackers that said nothing are not asked again: each layer of a pull would wait for them anew. */
const TRACKERS_REST_MS = 30_000

/** Layers of one manifest looked ahead for: more than images have, few enough for a tracker. */
const MAX_FORESEEN = 64

export interface LayoutsInit {
  readonly role: PeerRole
  /** Agents that must name the same layout for it to be believed without the table of contents. */
  readonly agreement: number
}

export interface LayoutsComponents {
  readonly book: LayoutBook
  readonly anchorOf: (digest: Digest) => TocAnchor | undefined
  readonly reader: TocReader
  readonly origin: OriginSource
  /** Keeps what was read of the end of a layer for those who begin it. */
  readonly tails: Pick<ReadTails, 'note'>
  readonly peers: LayoutPeers
  /** How a blob is cut that is open or stored. */
  readonly heldLayoutOf: (ref: BlobRef) => ChunkLayout | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * Where blobs are cut here. A layer with a table of contents is cut along it, if that can be had soon enough; everything else,
 * and whatever fails, is cut by the grid. What a blob was begun with it keeps as long as it is open or stored.
 *
 * A tracker decides for its cluster, since a blob that two peers cut in two ways they cannot share: it reads the table of
 * contents once, and answers with the cut. Without one an agent believes agents that agree, else reads it for itself.
 */
export class Layouts {
  readonly #init: LayoutsInit
  readonly #components: LayoutsComponents
  readonly #flights = new SingleFlight<ChunkLayout>()
  readonly #finds = new SingleFlight<void>()
  readonly #metrics: LayoutMetrics
  #trackersRestUntilMs = 0

  constructor(init: LayoutsInit, components: LayoutsComponents) {
    this.#init = init
    this.#components = components
    this.#metrics = layoutMetrics(components.metrics)
  }

  /** How the blob is cut, or would be if it were begun now. */
  layoutOf(ref: BlobRef): ChunkLayout {
    return this.#settled(ref) ?? gridLayout(ref.sizeBytes)
  }

  /** Settles how a blob is to be cut that may be about to begin. Takes two or three seconds at most; a failure leaves it to the grid. */
  async find(ref: BlobRef, access: OriginAccess, options: AbortOptions): Promise<void> {
    if (!this.#isOpen(ref)) return
    try {
      const key = `${ref.digest} ${access.authorization ?? ''}`
      await this.#finds.run(key, options, async (signal) => await this.#find(ref, access, signal))
    } catch (error) {
      if (options.signal?.aborted === true) return
      this.#metrics.settled.inc({ source: 'none' })
      this.#components.logger.debug({ err: error, digest: ref.digest }, 'layer cut by the grid')
    }
  }

  /** Begins to settle how the layers of a manifest are to be cut, for a client that is about to ask for them. */
  foresee(layers: readonly BlobRef[], access: OriginAccess): void {
    for (const layer of layers.filter((ref) => this.#isOpen(ref)).slice(0, MAX_FORESEEN))
      void this.find(layer, access, {})
  }

  /** Answers a peer: an agent from what it holds, a tracker by finding out; `undefined` when it cannot say. */
  async answer(question: LayoutQuestion, options: AbortOptions): Promise<ChunkLayout | undefined> {
    const { ref, origins } = question
    const settled = this.#settled(ref)
    if (settled !== undefined || this.#init.role === 'agent') return settled
    return await this.#flights.run(ref.digest, options, async (signal) => {
      const layout = await this.#cutOrGrid(question, { origins, authorization: origins[0]?.authorization }, signal)
      const meanwhile = this.#settled(ref)
      if (meanwhile === undefined) this.#components.book.settle(ref, layout)
      return meanwhile ?? layout
    })
  }

  async stop(): Promise<void> {
    const reason = new ShoalError('layouts are not looked for any more', {
      code: 'STOPPING',
      blame: 'local',
      retryable: true,
    })
    await Promise.all([this.#flights.stop(reason), this.#finds.stop(reason)])
    await this.#components.reader.stop()
  }

  /** There is a table of contents, and it is not settled yet what comes of it. */
  #isOpen(ref: BlobRef): boolean {
    const hasToc = this.#components.anchorOf(ref.digest) !== undefined
    return this.#init.role === 'agent' && hasToc && this.#settled(ref) === undefined
  }

  async #find(ref: BlobRef, access: OriginAccess, signal: AbortSignal): Promise<void> {
    const { anchorOf, book } = this.#components
    const anchor = anchorOf(ref.digest)
    if (anchor === undefined) return
    const question = { ref, anchor, origins: bearerGrants(access) }
    const layout = await this.#layoutOfSwarm(question, access, { signal: within(FIND_MS, signal) })
    if (this.#settled(ref) === undefined) book.settle(ref, layout)
  }

  #settled(ref: BlobRef): ChunkLayout | undefined {
    return this.#components.heldLayoutOf(ref) ?? this.#components.book.layoutOf(ref)
  }

  async #layoutOfSwarm(question: LayoutQuestion, access: OriginAccess, options: AbortOptions): Promise<ChunkLayout> {
    const ofTracker = await this.#ofTrackers(question, options)
    if (ofTracker !== undefined) return this.#from('tracker', ofTracker)
    const votes = await this.#votes(question, options)
    const [best] = votes
    if (best !== undefined && best.count >= this.#init.agreement) return this.#from('agents', best.layout)
    try {
      return await this.#cut(question, access, options.signal)
    } catch (error) {
      // With the origin down one agent may be all there is, and a cut can do no more harm than be of no use.
      if (best !== undefined) return this.#from('agents', best.layout)
      throw error
    }
  }

  async #ofTrackers(question: LayoutQuestion, { signal }: AbortOptions): Promise<ChunkLayout | undefined> {
    const { clock, peers } = this.#components
    if (clock.now() < this.#trackersRestUntilMs) return undefined
    const layout = await peers.ofTrackers(question, { signal: within(TRACKERS_MS, signal) })
    if (layout === undefined) this.#trackersRestUntilMs = clock.now() + TRACKERS_REST_MS
    return layout
  }

  /** The layouts that agents name, the one that most of them name first. */
  async #votes(
    { ref, anchor }: LayoutQuestion,
    { signal }: AbortOptions,
  ): Promise<readonly { readonly layout: ChunkLayout; readonly count: number }[]> {
    const votes = new Map<string, { layout: ChunkLayout; count: number }>()
    const question = { ref, anchor, origins: [] }
    for await (const layout of this.#components.peers.ofAgents(question, { signal: within(AGENTS_MS, signal) })) {
      const vote = votes.get(layout.fingerprint) ?? { layout, count: 0 }
      votes.set(layout.fingerprint, vote)
      vote.count++
      if (vote.count >= this.#init.agreement) break
    }
    return [...votes.values()].sort((a, b) => b.count - a.count)
  }

  async #cutOrGrid(question: LayoutQuestion, access: OriginAccess, signal: AbortSignal): Promise<ChunkLayout> {
    try {
      return await this.#cut(question, access, signal)
    } catch (error) {
      if (signal.aborted || isAbort(error)) throw error
      this.#metrics.settled.inc({ source: 'none' })
      const { ref } = question
      this.#components.logger.info({ err: error, digest: ref.digest }, 'layer cut by the grid')
      return gridLayout(ref.sizeBytes)
    }
  }

  async #cut({ ref, anchor }: LayoutQuestion, access: OriginAccess, signal?: AbortSignal): Promise<ChunkLayout> {
    const { origin, reader, tails } = this.#components
    const options = { signal: within(CUT_MS, signal) }
    reader.prepare()
    const { section, tail } = await readToc(ref, anchor, access, origin, options)
    const members = await reader.read(section, options)
    if (tail !== undefined) tails.note(ref, tail.start, tail.bytes)
    return this.#from('origin', cutAlongToc(members, ref.sizeBytes))
  }

  #from(source: 'tracker' | 'agents' | 'origin', layout: ChunkLayout): ChunkLayout {
    this.#metrics.settled.inc({ source })
    return layout
  }
}

function within(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  return AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])])
}
