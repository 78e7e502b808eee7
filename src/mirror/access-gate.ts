import { type AbortOptions, type Clock, type OriginRef, parseDigest } from '../core/index.ts'
import { settlesWithin, SingleFlight, within } from '../util/index.ts'
import { ANYBODY, AccessPasses, type CallerKey, callerKey, subjectKey } from './access-passes.ts'
import type {
  AccessGate,
  AccessMemory,
  AccessOutcome,
  AccessProbe,
  AccessSubject,
  DigestHistory,
  ProbeOutcome,
  TrackerConfirmation,
} from './ports.ts'

/** `verify`: a caller gets what the origin gives it. `open`: whoever reaches this mirror gets what the agent may have. */
export type AccessPolicy = 'verify' | 'open'

export interface AccessGateInit {
  /** The policy for a namespace; `verify` where it is left out. */
  readonly policyOf?: ((namespace: string) => AccessPolicy) | undefined
  /** How long the origin's yes counts. */
  readonly ttlMs?: number | undefined
  /** How long, while the origin cannot be reached, a repository counts as readable by anybody. */
  readonly staleMs?: number | undefined
  /** Callers times repositories that are remembered. */
  readonly maxEntries?: number | undefined
}

export interface AccessGateComponents {
  readonly probe: AccessProbe
  readonly memory: AccessMemory
  readonly history: DigestHistory
  readonly clock: Clock
  readonly confirmation?: TrackerConfirmation | undefined
}

/** A revoked right lives on this long; tokens of registries live for 60 s to 5 min. */
const TTL_MS = 60_000
/** A repository that was public yesterday is served through an outage of its registry. */
const STALE_MS = 24 * 3_600_000
/** About 200 bytes each. */
const MAX_ENTRIES = 16_384
/** After this an answer from elsewhere is looked for as well; leaves time to serve within containerd's 2 s. */
const PATIENCE_MS = 1_000
/** A slow origin is waited for as long as any client waits. */
const PROBE_TIMEOUT_MS = 20_000
/** A tracker is one round trip away. */
const CONFIRMATION_TIMEOUT_MS = 500
/** A pass this old is renewed in the background, so that lazy readers do not wait for the origin once a minute. */
const RENEW_AT = 0.75

const ALLOWED: AccessOutcome = { outcome: 'allowed' }
const UNCONFIRMED: AccessOutcome = { outcome: 'unconfirmed' }

/**
 * Lets a caller have what the origin would give it, asking there at most once per caller, repository and `ttlMs`. One caller's
 * right never opens a private repository to another; content counts as the repository's only when the history or the origin
 * says so. What cannot be confirmed is not given.
 */
export class OriginAccessGate implements AccessGate {
  readonly #init: AccessGateInit
  readonly #components: AccessGateComponents
  readonly #ttlMs: number
  readonly #passes: AccessPasses
  readonly #flights = new SingleFlight<AccessOutcome>()
  readonly #renewals = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(init: AccessGateInit, components: AccessGateComponents) {
    this.#init = init
    this.#components = components
    this.#ttlMs = init.ttlMs ?? TTL_MS
    this.#passes = new AccessPasses({ ttlMs: this.#ttlMs, maxEntries: init.maxEntries ?? MAX_ENTRIES }, components)
  }

  async check(
    origin: OriginRef,
    subject: AccessSubject,
    authorization: string | undefined,
    options: AbortOptions,
  ): Promise<AccessOutcome> {
    if (this.#init.policyOf?.(origin.namespace) === 'open') return ALLOWED
    const caller = callerKey(authorization)
    const ageMs = this.#passAgeMs(caller, origin, subject)
    if (ageMs === undefined) {
      return await this.#flights.run(subjectKey(caller, origin, subject), options, (signal) =>
        this.#ask(origin, subject, authorization, signal),
      )
    }
    if (ageMs > this.#ttlMs * RENEW_AT) this.#renew(origin, subject, authorization)
    return ALLOWED
  }

  /** Ends the renewals under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#renewals.values())
  }

  #passAgeMs(caller: CallerKey, origin: OriginRef, subject: AccessSubject): number | undefined {
    const belongs = this.#belongs(origin, subject)
    const ages = [caller, ANYBODY].map((key) =>
      belongs ? this.#passes.repositoryAgeMs(key, origin) : this.#passes.subjectAgeMs(key, origin, subject),
    )
    if (belongs) ages.push(this.#anybodyAgeMs(origin, this.#ttlMs))
    const known = ages.filter((age) => age !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }

  /** Whether access to the repository is access to the subject: a digest must be known to be in it, or any could be guessed. */
  #belongs(origin: OriginRef, { reference, kind }: AccessSubject): boolean {
    if (kind === 'tags') return true
    const digest = parseDigest(reference)
    if (digest === undefined) return true
    const places = this.#components.history.originsOf(digest)
    return places.some((place) => place.namespace === origin.namespace && place.repository === origin.repository)
  }

  #anybodyAgeMs(origin: OriginRef, limitMs: number): number | undefined {
    const { clock, memory } = this.#components
    const sinceMs = memory.anonymousSince(origin)
    if (sinceMs === undefined) return undefined
    const ageMs = Math.max(0, clock.wallTime() - sinceMs)
    return ageMs < limitMs ? ageMs : undefined
  }

  /** Learns in the background what the origin says; only its own word counts here, and silence changes nothing. */
  #renew(origin: OriginRef, subject: AccessSubject, authorization: string | undefined): void {
    const key = subjectKey(callerKey(authorization), origin, subject)
    if (this.#renewals.has(key) || this.#stopping.signal.aborted) return
    const forget = (): void => void this.#renewals.delete(key)
    const answer = this.#probe(origin, subject, authorization, this.#stopping.signal)
    const renewal = answer
      .then((outcome) => void (outcome && this.#learn(outcome, origin, subject, authorization)))
      .then(forget, forget)
    this.#renewals.set(key, renewal)
  }

  async #ask(
    origin: OriginRef,
    subject: AccessSubject,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<AccessOutcome> {
    const answer = this.#probe(origin, subject, authorization, signal)
    const isSlow = !(await settlesWithin(this.#components.clock, PATIENCE_MS, answer))
    if (isSlow && (await this.#isVouchedFor(origin, subject, signal))) {
      // Nobody waits for the slow answer any more, but a no in it must still end the repository's standing.
      this.#renew(origin, subject, authorization)
      return this.#admit(ANYBODY, origin, subject)
    }
    const outcome = await answer
    if (outcome !== undefined) return this.#learn(outcome, origin, subject, authorization)
    const isVouchedFor = !isSlow && (await this.#isVouchedFor(origin, subject, signal))
    return isVouchedFor ? this.#admit(ANYBODY, origin, subject) : UNCONFIRMED
  }

  /** The origin's answer, `undefined` when it gives none in time. */
  async #probe(
    origin: OriginRef,
    subject: AccessSubject,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<ProbeOutcome | undefined> {
    const { clock, probe } = this.#components
    try {
      return await within(clock, PROBE_TIMEOUT_MS, signal, (ended) =>
        probe.probe(origin, subject, { authorization, signal: ended }),
      )
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }

  #learn(
    outcome: ProbeOutcome,
    origin: OriginRef,
    subject: AccessSubject,
    authorization: string | undefined,
  ): AccessOutcome {
    const { memory } = this.#components
    if (outcome.outcome === 'allowed') {
      if (outcome.anonymous) memory.noteAnonymous(origin)
      return this.#admit(outcome.anonymous ? ANYBODY : callerKey(authorization), origin, subject)
    }
    if (outcome.outcome === 'missing') return outcome
    this.#passes.revoke(callerKey(authorization), origin)
    if (authorization === undefined) {
      // What the origin refuses to a caller without credentials is not public, or not any more.
      this.#passes.revoke(ANYBODY, origin)
      memory.forgetAnonymous?.(origin)
    }
    return outcome
  }

  #admit(caller: CallerKey, origin: OriginRef, subject: AccessSubject): AccessOutcome {
    this.#passes.note(caller, origin, subject)
    return ALLOWED
  }

  /** Whether, without the origin, anybody is known to be allowed to read this; only content that we or a tracker know to be the repository's. */
  async #isVouchedFor(origin: OriginRef, subject: AccessSubject, signal: AbortSignal): Promise<boolean> {
    const { clock, confirmation } = this.#components
    const belongs = this.#belongs(origin, subject)
    if (belongs && this.#anybodyAgeMs(origin, this.#init.staleMs ?? STALE_MS) !== undefined) return true
    if (confirmation === undefined) return false
    try {
      return await within(clock, CONFIRMATION_TIMEOUT_MS, signal, (ended) =>
        confirmation.confirmedByTracker(origin, belongs ? undefined : parseDigest(subject.reference), {
          signal: ended,
        }),
      )
    } catch {
      signal.throwIfAborted()
      return false
    }
  }
}
