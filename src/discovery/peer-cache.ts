import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { Clock, PeerRef, Random } from '../core/index.ts'
import { isPeerId } from '../p2p/index.ts'
import type { Logger } from '../telemetry/index.ts'

/** Enough that some are still alive after a rack was replaced. */
export const MAX_CACHED_PEERS = 128

/** Addresses kept of one peer; a node has a handful of interfaces. */
const MAX_ADDRESSES = 8

/** As long as a multiaddr with the longest DNS name gets. */
const MAX_ADDRESS_CHARS = 400

/** What all of that can take with room to spare; a longer file is not ours. */
const MAX_FILE_BYTES = 1024 * 1024

/** A node not seen for two weeks has been replaced. */
const MAX_AGE_MS = 14 * 24 * 3600 * 1000

/** What one failed dial takes off a peer's standing, so that the living are tried first. */
const FAILURE_PENALTY_MS = 24 * 3600 * 1000

const FILE_SCHEMA = z.object({
  version: z.literal(1),
  peers: z.array(
    z.object({
      id: z.string().max(128).refine(isPeerId),
      addresses: z.array(z.string().max(MAX_ADDRESS_CHARS)).max(MAX_ADDRESSES),
      lastSeenMs: z.number().int().nonnegative(),
    }),
  ),
})

interface CachedPeer {
  readonly addresses: readonly string[]
  /** Milliseconds since the Unix epoch. */
  readonly lastSeenMs: number
}

export interface PeerCacheInit {
  /** The JSON file; nothing is kept over a restart without one. */
  readonly file: string | undefined
}

export interface PeerCacheComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * Peers seen lately and where, so that an agent finds its way back when every configured peer is gone. A file that is
 * damaged, foreign or cannot be written costs a log line and nothing else. Owns its file.
 */
export class PeerCache {
  readonly #file: string | undefined
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #peers = new Map<string, CachedPeer>()
  #isDirty = false

  constructor(init: PeerCacheInit, components: PeerCacheComponents) {
    this.#file = init.file
    this.#clock = components.clock
    this.#random = components.random
    this.#logger = components.logger
  }

  get size(): number {
    return this.#peers.size
  }

  /** Takes in what the file holds. */
  async load(): Promise<void> {
    if (this.#file === undefined) return
    try {
      const { peers } = FILE_SCHEMA.parse(JSON.parse(await readBounded(this.#file)))
      const nowMs = this.#clock.wallTime()
      for (const { id, addresses, lastSeenMs } of peers) {
        // A time to come was written while the clock was ahead, and would be the newest for ever.
        if (lastSeenMs >= nowMs - MAX_AGE_MS)
          this.#peers.set(id, { addresses, lastSeenMs: Math.min(lastSeenMs, nowMs) })
      }
      this.#trim()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      this.#logger.warn({ file: this.#file, err: error }, 'remembered peers cannot be read, beginning with none')
    }
  }

  /** Notes that `peer` was connected just now; a peer without addresses is of no use and left out. */
  remember(peer: PeerRef): void {
    const addresses = peer.addresses.filter((address) => address.length <= MAX_ADDRESS_CHARS).slice(0, MAX_ADDRESSES)
    if (addresses.length === 0) return
    this.#peers.set(peer.id, { addresses, lastSeenMs: this.#clock.wallTime() })
    this.#trim()
    this.#isDirty = true
  }

  /** Notes that `peerId` could not be reached, so that others are tried before it. */
  demote(peerId: string): void {
    const peer = this.#peers.get(peerId)
    if (peer === undefined) return
    this.#peers.set(peerId, { ...peer, lastSeenMs: Math.max(0, peer.lastSeenMs - FAILURE_PENALTY_MS) })
    this.#isDirty = true
  }

  /** Up to `count` peers for which `isWanted` holds: at random among the better half, so that not all agents call the same ones. */
  pick(count: number, isWanted: (peerId: string) => boolean): PeerRef[] {
    const wanted = [...this.#peers]
      .filter(([id]) => isWanted(id))
      .toSorted(([, a], [, b]) => b.lastSeenMs - a.lastSeenMs)
    const pool = wanted.slice(0, Math.max(count, Math.ceil(wanted.length / 2)))
    const picked: PeerRef[] = []
    while (picked.length < count && pool.length > 0) {
      const [entry] = pool.splice(Math.floor(this.#random() * pool.length), 1)
      if (entry !== undefined) picked.push({ id: entry[0], addresses: entry[1].addresses })
    }
    return picked
  }

  /** Writes the file if anything changed: whole under another name, then renamed over the old one. */
  async save(): Promise<void> {
    if (this.#file === undefined || !this.#isDirty) return
    this.#isDirty = false
    try {
      await replaceFile(this.#file, `${JSON.stringify(this.#snapshot(), undefined, 1)}\n`)
    } catch (error) {
      this.#isDirty = true
      this.#logger.warn({ file: this.#file, err: error }, 'remembered peers cannot be written')
    }
  }

  #snapshot(): z.infer<typeof FILE_SCHEMA> {
    const peers = [...this.#peers].map(([id, { addresses, lastSeenMs }]) => ({
      id,
      addresses: [...addresses],
      lastSeenMs,
    }))
    return { version: 1, peers }
  }

  #trim(): void {
    if (this.#peers.size <= MAX_CACHED_PEERS) return
    const oldestFirst = [...this.#peers].toSorted(([, a], [, b]) => a.lastSeenMs - b.lastSeenMs)
    for (const [id] of oldestFirst.slice(0, this.#peers.size - MAX_CACHED_PEERS)) this.#peers.delete(id)
  }
}

async function readBounded(path: string): Promise<string> {
  await using file = await open(path, 'r')
  const { size } = await file.stat()
  if (size > MAX_FILE_BYTES) throw new RangeError(`${path} has ${size} bytes`)
  return await file.readFile('utf8')
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeSynced(temporary, text)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}
