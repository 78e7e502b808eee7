import { z } from 'zod'
import { printable } from './terminal/index.ts'

/** Text that others chose, made harmless to a terminal. */
const text = z.string().max(4096).transform(printable)

const bytes = z.number().nonnegative()

/** Bytes by where they came from: the own store, other agents, trackers, origin registries. */
export const bytesBySourceSchema = z.object({ store: bytes, peers: bytes, tracker: bytes, origin: bytes })

/** Rates as they are written, by direction and class: what is answered at `GET` and `PUT /limits`. */
export const limitsViewSchema = z.record(text, z.record(text, text))

/** Where the chunks came from that clients were given, the nearest level first. */
const cacheLevelSchema = z.object({
  level: text,
  usedBytes: bytes.optional(),
  limitBytes: bytes.optional(),
  hits: z.number(),
  bytes,
  p50Ms: z.number(),
  p99Ms: z.number(),
})

/** Layers that clients read in part, and what is done about it. */
const completionSchema = z.object({
  mode: z.enum(['off', 'idle', 'now']),
  state: z.enum(['idle', 'completing', 'waiting']),
  because: text.optional(),
  layers: z.array(z.object({ digest: text, state: text })),
  done: z.number(),
  givenUp: z.number(),
  bytes,
})

const count = z.number().nonnegative()

const nodeProgress = z.object({ name: text, heldBytes: bytes, sizeBytes: bytes })

/** How far the nodes of a prefetch are together. */
export const prefetchProgressSchema = z.object({
  nodes: z.object({
    waiting: count,
    running: count,
    done: count,
    failed: count,
    unreachable: count,
    relays: count,
  }),
  heldBytes: bytes,
  sizeBytes: bytes,
  slowest: nodeProgress.optional(),
})

/** What an agent says of itself at `GET /status`. Fields that are not known here are left alone: a newer agent may have more. */
export const statusViewSchema = z.object({
  peerId: text,
  role: z.enum(['agent', 'tracker']),
  version: text,
  uptimeSeconds: z.number(),
  zone: text,
  ready: z.object({ ok: z.boolean(), reasons: z.array(text) }),
  peers: z.array(
    z.object({ id: text, role: z.enum(['agent', 'tracker']), zone: text, bytesIn: bytes, bytesOut: bytes }),
  ),
  layers: z.array(
    z.object({
      digest: text,
      sizeBytes: bytes,
      heldBytes: bytes,
      isComplete: z.boolean(),
      state: z.enum(['idle', 'downloading']),
      readers: z.number(),
      peers: z.number(),
    }),
  ),
  /** Those that this process has a part in, and the last that were begun here; an older agent has none. */
  prefetches: z
    .array(prefetchProgressSchema.extend({ id: text, image: text, isStarter: z.boolean(), isOver: z.boolean() }))
    .default([]),
  /** Those that are set, by their dotted names; an older agent has none. */
  limits: z.record(text, text).default({}),
  bytesBySource: bytesBySourceSchema,
  /** From peers and trackers, by the zone they say they stand in; '' for those that do not say. */
  bytesByZone: z.record(text, bytes).default({}),
  /** An older agent has none. */
  cache: z.array(cacheLevelSchema).max(100).default([]),
  /** An older agent has none. */
  completion: completionSchema.default({ mode: 'off', state: 'idle', layers: [], done: 0, givenUp: 0, bytes: 0 }),
  store: z.object({ usedBytes: bytes, quotaBytes: bytes, blobs: z.number() }),
})

export type StatusView = z.output<typeof statusViewSchema>

export type PrefetchProgress = z.output<typeof prefetchProgressSchema>

export type LimitsView = z.output<typeof limitsViewSchema>

export type BytesBySource = z.output<typeof bytesBySourceSchema>
