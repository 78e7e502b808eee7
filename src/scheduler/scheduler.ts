import { type AbortOptions, type BlobRef, type Digest, isAbort, type PeerRole, ShoalError } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { abortable } from '../util/index.ts'
import { BlobHandle, type BlobHandleEvents, type ByteRange } from './blob-handle.ts'
import type { CacheLevel } from './cache-level.ts'
import { type ClientActivity, ClientWaits, isLazy, isPulled, readersOf } from './client-activity.ts'
import { Download } from './download.ts'
import type { DownloadComponents } from './download-components.ts'
import { type ByteSource, type BytesBySource, FetchLedger } from './fetch-ledger.ts'
import { FreshChunks } from './fresh-chunks.ts'
import { OriginPace } from './origin-pace.ts'
import { OverflowBlob } from './overflow-blob.ts'
import { ReadAhead } from './read-ahead.ts'
import type { ChunkStore, OriginAccess, StoredBlob } from './ports.ts'
import { overflowBytes, type SchedulerSettings } from './settings.ts'
import { TaskGroup } from './task-group.ts'
import { TrackerHealth } from './tracker-health.ts'
import { TransferWindow } from './transfer-window.ts'
import { ZoneLedger } from './zone-ledger.ts'

export interface SchedulerInit {
  readonly selfId: string
  /** An agent unless said. */
  readonly role?: PeerRole
  /** Where this node stands; '' when nobody said. */
  readonly zone?: string
  readonly settings: SchedulerSettings
}

export interface SchedulerComponents
  extends Omit<DownloadComponents, 'health' | 'originPace' | 'freshChunks' | 'window'> {
  readonly store: ChunkStore
  /** Where a blob that is not open is cut, or would be. */
  readonly layoutOf: (ref: BlobRef) => StoredBlob['layout']
  /** Finds out where a blob should be cut before it is first opened; bounded in time, and no failure of it is one of the download. */
  readonly findLayout?: (ref: BlobRef, access: OriginAccess, options: AbortOptions) => Promise<void>
}

/** A client begins to read a part of a blob. */
export interface LazyRead {
  readonly ref: BlobRef
  readonly range: ByteRange
  /** `range`: exactly these bytes are read. */
  readonly kind: 'range' | 'open'
  readonly layout: StoredBlob['layout']
  readonly access: OriginAccess
  /** All of the blob is in the store. */
  readonly isComplete: boolean
}

/** Something that happened to a blob, for those who publish it to peers or count it. */
export interface SchedulerListener {
  chunkHeld?(ref: BlobRef, chunk: number, digest: Uint8Array, source: ByteSource, sizeBytes: number): void
  /** Verified bytes came from a peer that says it stands in `zone`. */
  receivedFrom?(zone: string, sizeBytes: number): void
  completed?(ref: BlobRef): void
  readLazily?(read: LazyRead): void
  /** A client's next bytes are not at hand. */
  clientWaits?(): void
  /** A client has bytes that it asked for `tookMs` ago. */
  served?(level: CacheLevel, bytes: number, tookMs: number): void
  /** The store has no room for a blob: what is held for those who may come, and nobody uses now, is to be let go. */
  roomNeeded?(): Promise<void>
}

/** A download as `status` shows it. */
export interface DownloadSummary {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly heldBytes: number
  readonly isComplete: boolean
  readonly readers: number
  readonly peers: number
  readonly bytesBySource: BytesBySource
}

interface Entry {
  readonly download: Download
  readonly readAhead: ReadAhead
  handles: number
  idleTimer: { clear(): void } | undefined
}

/** Wrong blobs remembered; each took a liar with the cluster key a whole download. */
const MAX_SPOILED = 1_000

/**
 * Every download of this process, one per digest. `open` joins the one under way or starts it; a download nobody
 * uses keeps its peers for a while, so that the next range of the same layer needs no lookup, and then closes.
 */
export class Scheduler {
  readonly ledger = new FetchLedger()
  readonly zones = new ZoneLedger()
  readonly #init: SchedulerInit
  readonly #components: SchedulerComponents
  readonly #logger: Logger
  readonly #entries = new Map<Digest, Entry>()
  readonly #opening = new Map<Digest, Promise<Entry>>()
  readonly #listeners = new Set<SchedulerListener>()
  readonly #tasks = new TaskGroup()
  readonly #health = new TrackerHealth()
  readonly #originPace = new OriginPace()
  readonly #freshChunks: FreshChunks
  readonly #window: TransferWindow
  readonly #waits: ClientWaits
  /** Blobs that once turned out wrong and have not been whole since. */
  readonly #spoiled = new Set<Digest>()

  constructor(init: SchedulerInit, components: SchedulerComponents) {
    this.#init = init
    this.#components = components
    this.#logger = components.logger
    this.#freshChunks = new FreshChunks(init.settings, components)
    this.#window = new TransferWindow(init.settings.inFlightBytes)
    this.#waits = new ClientWaits(components.clock)
  }

  listen(listener: SchedulerListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** A handle on the download of `ref`, which starts when the first is opened. The caller closes it. */
  async open(ref: BlobRef, access: OriginAccess, options: AbortOptions): Promise<BlobHandle> {
    options.signal?.throwIfAborted()
    if (this.#tasks.signal.aborted) {
      throw new ShoalError('the scheduler is stopping', { code: 'STOPPING', blame: 'local', retryable: true })
    }
    const joining = this.#join(ref, access)
    try {
      return await abortable(joining, options.signal)
    } catch (error) {
      // Whoever left before the store opened the blob leaves no use of it behind.
      joining.then(
        (handle) => handle.close(),
        () => undefined,
      )
      throw error
    }
  }

  async #join(ref: BlobRef, access: OriginAccess): Promise<BlobHandle> {
    const entry = this.#entries.get(ref.digest) ?? (await this.#opened(ref, access))
    entry.download.renewAccess(access)
    entry.handles++
    entry.idleTimer?.clear()
    entry.idleTimer = undefined
    const events = this.#handleEvents(entry, access)
    return new BlobHandle(entry.download, entry.readAhead, events, this.#components.clock)
  }

  #handleEvents(entry: Entry, access: OriginAccess): BlobHandleEvents {
    return {
      begins: (range, kind) => {
        if (isLazy(kind)) this.#readLazily(entry, range, kind, access)
      },
      waits: (kind) => {
        for (const listener of this.#listeners) listener.clientWaits?.()
        return this.#waits.begin(kind)
      },
      storeRead: (bytes) => this.ledger.add('store', bytes),
      served: (level, bytes, tookMs) => {
        for (const listener of this.#listeners) listener.served?.(level, bytes, tookMs)
      },
      closed: () => this.#closed(entry),
    }
  }

  #readLazily(
    { download: { ref, blob } }: Entry,
    range: ByteRange,
    kind: LazyRead['kind'],
    access: OriginAccess,
  ): void {
    const read = { ref, range, kind, layout: blob.layout, access, isComplete: blob.isComplete }
    for (const listener of this.#listeners) listener.readLazily?.(read)
  }

  /** The download of `digest` that is under way, if any. */
  find(digest: Digest): Download | undefined {
    return this.#entries.get(digest)?.download
  }

  /** Readers of `digest` and completions under way; `undefined` when it is not open. */
  readersOf(digest: Digest): number | undefined {
    const download = this.find(digest)
    return download && readersOf(download)
  }

  /** Where the chunks of `ref` begin and end. */
  layoutOf(ref: BlobRef): StoredBlob['layout'] {
    const open = this.find(ref.digest)?.blob
    return open?.ref.sizeBytes === ref.sizeBytes ? open.layout : this.#components.layoutOf(ref)
  }

  /** Stored chunks in memory for those who may read them next, and how much they may take. */
  get freshChunks(): { readonly keptBytes: number; readonly limitBytes: number } {
    return this.#freshChunks
  }

  /** What clients are at just now. */
  get activity(): ClientActivity {
    const pulls = this.#entries.values().reduce((count, { download }) => count + (isPulled(download) ? 1 : 0), 0)
    return { lazyWaiting: this.#waits.lazyWaiting, lastLazyWaitMs: this.#waits.lastLazyWaitMs, pulls }
  }

  downloads(): DownloadSummary[] {
    return [...this.#entries.values()].map(({ download }) => ({
      digest: download.ref.digest,
      sizeBytes: download.ref.sizeBytes,
      heldBytes: download.heldBytes,
      isComplete: download.blob.isComplete,
      readers: readersOf(download),
      peers: download.swarm.followedCount,
      bytesBySource: download.ledger.total,
    }))
  }

  async stop(): Promise<void> {
    await this.#tasks.close()
    await Promise.allSettled(this.#opening.values())
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    await Promise.all(entries.map(closeEntry))
  }

  /** Single flight: those who ask while the store opens the blob wait for the same opening. */
  async #opened(ref: BlobRef, access: OriginAccess): Promise<Entry> {
    const underWay = this.#opening.get(ref.digest)
    if (underWay !== undefined) return await underWay
    const opening = this.#start(ref, access).finally(() => this.#opening.delete(ref.digest))
    this.#opening.set(ref.digest, opening)
    return await opening
  }

  async #start(ref: BlobRef, access: OriginAccess): Promise<Entry> {
    await this.#components.findLayout?.(ref, access, { signal: this.#tasks.signal })
    const blob = await this.#openBlob(ref)
    const { selfId, role = 'agent', zone = '' } = this.#init
    const download = new Download(
      blob,
      { selfId, role, zone, access, settings: this.#settingsFor(ref) },
      {
        ...this.#components,
        health: this.#health,
        originPace: this.#originPace,
        freshChunks: this.#freshChunks,
        window: this.#window,
      },
      {
        chunkHeld: (held, chunk, digest, source, sizeBytes) => this.#chunkHeld(held, chunk, digest, source, sizeBytes),
        receivedFrom: (from, sizeBytes) => this.#receivedFrom(from, sizeBytes),
        completed: (whole) => this.#completed(whole),
        corrupted: (wrong) => this.#corrupted(wrong),
      },
    )
    const readAhead = new ReadAhead(
      { limitBytes: this.#init.settings.readAheadBytes },
      { target: download, clock: this.#components.clock },
    )
    const entry: Entry = { download, readAhead, handles: 0, idleTimer: undefined }
    this.#entries.set(ref.digest, entry)
    download.start()
    return entry
  }

  /** A pull never fails for want of disk: with no room, bytes pass through memory. */
  async #openBlob(ref: BlobRef): Promise<StoredBlob> {
    const open = async (): Promise<StoredBlob> => await this.#components.store.open(ref, { signal: this.#tasks.signal })
    try {
      return await open().catch(async (error: unknown) => {
        if (isAbort(error)) throw error
        await this.#letGo()
        return await open()
      })
    } catch (error) {
      if (isAbort(error)) throw error
      this.#logger.warn({ err: error, digest: ref.digest }, 'no room in the store, passing through')
      return new OverflowBlob(ref, this.#components.layoutOf(ref), undefined, overflowBytes(this.#init.settings))
    }
  }

  /** Blobs that nobody uses are held against eviction for those who may come: in want of room they are not. */
  async #letGo(): Promise<void> {
    await Promise.all([...this.#listeners].map(async (listener) => await listener.roomNeeded?.()))
    const idle = [...this.#entries.values()].filter(({ idleTimer }) => idleTimer !== undefined)
    for (const { download } of idle) this.#entries.delete(download.ref.digest)
    await Promise.all(idle.map(closeEntry))
  }

  #chunkHeld(ref: BlobRef, chunk: number, digest: Uint8Array, source: ByteSource, sizeBytes: number): void {
    this.ledger.add(source, sizeBytes)
    // What passes through memory cannot be given to anyone, and leaves no store that would take the word back.
    if (!(this.find(ref.digest)?.blob instanceof OverflowBlob)) this.#components.router.provide(ref.digest)
    for (const listener of this.#listeners) listener.chunkHeld?.(ref, chunk, digest, source, sizeBytes)
  }

  #receivedFrom(zone: string, sizeBytes: number): void {
    this.zones.add(zone, sizeBytes)
    for (const listener of this.#listeners) listener.receivedFrom?.(zone, sizeBytes)
  }

  /**
   * A blob that came out wrong is not again taken on agents' word: the liar may come back before it is found out. Agents that
   * began together lose their patience one after the other, so that what the first does helps the rest.
   */
  #settingsFor({ digest }: BlobRef): SchedulerSettings {
    const windowPatienceMs = this.#init.settings.windowPatienceMs * (0.8 + 0.8 * this.#components.random())
    const settings = { ...this.#init.settings, windowPatienceMs }
    return this.#spoiled.has(digest) ? { ...settings, agreement: Number.POSITIVE_INFINITY, sampleShare: 0 } : settings
  }

  #corrupted({ digest }: BlobRef): void {
    this.#spoiled.add(digest)
    for (const oldest of this.#spoiled) {
      if (this.#spoiled.size <= MAX_SPOILED) break
      this.#spoiled.delete(oldest)
    }
  }

  #completed(ref: BlobRef): void {
    this.#spoiled.delete(ref.digest)
    for (const listener of this.#listeners) listener.completed?.(ref)
  }

  #closed(entry: Entry): void {
    entry.handles--
    if (entry.handles > 0 || this.#tasks.signal.aborted) return
    const { lingerMs } = this.#init.settings
    entry.idleTimer = this.#components.clock.after(lingerMs, () => this.#retire(entry))
  }

  #retire(entry: Entry): void {
    if (entry.handles > 0) return
    this.#entries.delete(entry.download.ref.digest)
    this.#tasks.run(async () => await closeEntry(entry))
  }
}

async function closeEntry({ download, readAhead, idleTimer }: Entry): Promise<void> {
  idleTimer?.clear()
  readAhead.close()
  await download.close()
}
