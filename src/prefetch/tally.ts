import type { PeerRef } from '../core/index.ts'
import type { BytesBySource } from '../scheduler/index.ts'

/** How many nodes are how far. `relays` were told to tell others and are not meant themselves. */
export interface NodeCounts {
  readonly waiting: number
  readonly running: number
  readonly done: number
  readonly failed: number
  readonly unreachable: number
  readonly relays: number
}

/** A node that did not come to hold the image, and why. */
export interface NodeFailure {
  readonly peer: string
  /** Its host name; empty when it never said. */
  readonly name: string
  readonly reason: string
}

/** A node that could not be told, or was not heard of again. */
export interface UnreachedNode extends NodeFailure, Pick<PeerRef, 'addresses'> {}

/** How far one node is. */
export interface NodeProgress {
  readonly name: string
  readonly heldBytes: number
  readonly sizeBytes: number
}

/** What is known of an order over any number of nodes: of one, of a branch, of all. */
export interface Tally {
  readonly nodes: NodeCounts
  readonly heldBytes: number
  readonly sizeBytes: number
  /** Of nodes that are done. */
  readonly bytesBySource: BytesBySource
  /** The first of those that failed. */
  readonly failures: readonly NodeFailure[]
  /** The first of those that are unreachable. */
  readonly unreached: readonly UnreachedNode[]
  /** The one that has come least far of those that run. */
  readonly slowest?: NodeProgress | undefined
}

/** Failures that are told one by one; whoever has more wants the first reasons, and the count. */
export const MAX_FAILURES = 32

/** Unreachable nodes that are told one by one, so that the starter can try them itself. */
export const MAX_UNREACHED = 128

const NO_NODES: NodeCounts = { waiting: 0, running: 0, done: 0, failed: 0, unreachable: 0, relays: 0 }

const NO_BYTES: BytesBySource = { store: 0, peers: 0, tracker: 0, origin: 0 }

/** Of no node at all. */
export const EMPTY_TALLY: Tally = {
  nodes: NO_NODES,
  heldBytes: 0,
  sizeBytes: 0,
  bytesBySource: NO_BYTES,
  failures: [],
  unreached: [],
}

/** Of one node. */
export function tallyOf(state: keyof NodeCounts, more: Partial<Omit<Tally, 'nodes'>> = {}): Tally {
  return { ...EMPTY_TALLY, ...more, nodes: { ...NO_NODES, [state]: 1 } }
}

/** All of `tallies` together. */
export function sumOf(tallies: Iterable<Tally>): Tally {
  let sum = EMPTY_TALLY
  for (const tally of tallies) sum = plus(sum, tally)
  return sum
}

/** The same when nothing more will be heard of it: whoever was not done by then has failed. */
export function closed(tally: Tally, { peer, name }: Omit<NodeFailure, 'reason'>): Tally {
  const { waiting, running, failed } = tally.nodes
  if (waiting + running === 0) return tally
  const reason = `${waiting + running} nodes told by this one were not done when the time was up`
  return {
    ...tally,
    nodes: { ...tally.nodes, waiting: 0, running: 0, failed: failed + waiting + running },
    failures: [...tally.failures, { peer, name, reason }].slice(0, MAX_FAILURES),
    slowest: undefined,
  }
}

/** The same without the unreachable nodes that it names, which are about to be tried again. */
export function withoutUnreached(tally: Tally): Tally {
  const { nodes, unreached } = tally
  return { ...tally, nodes: { ...nodes, unreachable: nodes.unreachable - unreached.length }, unreached: [] }
}

/** All that is known of who did not come to hold the image, and why. */
export function failuresOf({ failures, unreached }: Tally): NodeFailure[] {
  const unreachable = unreached.map(({ peer, name, reason }) => ({ peer, name, reason: `unreachable: ${reason}` }))
  return [...failures, ...unreachable]
}

function plus(a: Tally, b: Tally): Tally {
  // Several may have tried to tell the same one.
  const unreached = new Map([...a.unreached, ...b.unreached].map((node) => [node.peer, node]))
  const twice = a.unreached.length + b.unreached.length - unreached.size
  const nodes = added(a.nodes, b.nodes)
  return {
    nodes: { ...nodes, unreachable: nodes.unreachable - twice },
    heldBytes: a.heldBytes + b.heldBytes,
    sizeBytes: a.sizeBytes + b.sizeBytes,
    bytesBySource: added(a.bytesBySource, b.bytesBySource),
    failures: [...a.failures, ...b.failures].slice(0, MAX_FAILURES),
    unreached: [...unreached.values()].slice(0, MAX_UNREACHED),
    slowest: slower(a.slowest, b.slowest),
  }
}

/** Two records of numbers with the same names. */
function added<T extends { readonly [K in keyof T]: number }>(a: T, b: T): T {
  const sums = Object.keys(a).map((name) => [name, a[name as keyof T] + b[name as keyof T]])
  return Object.fromEntries(sums) as T
}

function slower(a: NodeProgress | undefined, b: NodeProgress | undefined): NodeProgress | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return shareOf(b) < shareOf(a) ? b : a
}

function shareOf({ heldBytes, sizeBytes }: NodeProgress): number {
  return sizeBytes === 0 ? 0 : heldBytes / sizeBytes
}
