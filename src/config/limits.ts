import type { z } from 'zod'
import { type BandwidthRates, RATE_NAMES } from '../util/index.ts'
import { LimitsError } from './errors.ts'
import * as leaf from './leaf.ts'
import { formatRate } from './rate.ts'
import { section } from './setting.ts'
import { isTree } from './tree.ts'
import { hint } from './unknown-names.ts'

/** Where bytes move: to peers, from peers and trackers, from registries. */
export const DIRECTIONS = ['upload', 'download', 'origin'] as const

export type Direction = (typeof DIRECTIONS)[number]

/** All limits, in bytes per second. */
export type Limits = Readonly<Record<Direction, BandwidthRates>>

/** Some limits, in bytes per second; what is not there stays as it is. */
export type LimitsChange = { readonly [D in Direction]?: Partial<BandwidthRates> | undefined }

/** Limits as they are written: `{upload: {total: "50MiB/s"}}`. */
export type LimitsDocument = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Every limit there is, as a dotted path: `upload.total`. */
const LIMIT_NAMES: readonly string[] = DIRECTIONS.flatMap((direction) =>
  RATE_NAMES.map((name) => `${direction}.${name}`),
)

/** Mistakes told at once; more than a person makes in one command. */
const MAX_PROBLEMS = 10

/** Longest name repeated in a message; the names there are have at most 19. */
const MAX_NAME_CHARS = 64

const rate = leaf.rate().optional()
const rates = section({ total: rate, lazy: rate, pull: rate, background: rate }).optional()
const changeSchema = section({ upload: rates, download: rates, origin: rates })

/** The change that a document such as `{"upload": {"total": "50MiB/s"}}` asks for; throws a LimitsError that names every mistake. */
export function parseLimitsChange(document: unknown): LimitsChange {
  const result = changeSchema.safeParse(document)
  if (!result.success) throw new LimitsError(result.error.issues.flatMap(problemsOf).slice(0, MAX_PROBLEMS))
  if (!isTree(document) || Object.values(document).every((part) => !isTree(part) || Object.keys(part).length === 0)) {
    throw new LimitsError(['no limit is named; one is upload.total'])
  }
  return result.data as LimitsChange
}

/** `limits` with what `change` names in place of what is there. */
export function changedLimits(limits: Limits, change: LimitsChange): Limits {
  const merged = (direction: Direction): BandwidthRates => {
    const given = Object.entries(change[direction] ?? {}).filter(([, value]) => value !== undefined)
    return { ...limits[direction], ...Object.fromEntries(given) }
  }
  return { upload: merged('upload'), download: merged('download'), origin: merged('origin') }
}

/** All limits as they are written, `unlimited` ones too. */
export function limitsDocument(limits: Limits): LimitsDocument {
  return Object.fromEntries(
    DIRECTIONS.map((direction) => [
      direction,
      Object.fromEntries(RATE_NAMES.map((name) => [name, formatRate(limits[direction][name])])),
    ]),
  )
}

function problemsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code !== 'unrecognized_keys') return [`${issue.path.join('.') || 'limits'}: ${issue.message}`]
  return issue.keys.slice(0, MAX_PROBLEMS).map((key) => {
    const path = [...issue.path, key].join('.').slice(0, MAX_NAME_CHARS)
    return `${path}: no such limit${hint(path, LIMIT_NAMES) || `; there are ${LIMIT_NAMES.join(', ')}`}`
  })
}
