import { type BlobRef, type Clock, type Digest, type OriginRef, ShoalError } from '../core/index.ts'
import type { Bandwidth } from '../util/index.ts'
import { isRepositoryName, normalizeNamespace, parseReference, type Reference } from '../oci/index.ts'
import { headBlob } from './blob-head.ts'
import { type ByteRange, readBlobFrom } from './blob-reader.ts'
import { DockerCredentials } from './docker-credentials.ts'
import { OriginMissingError, OriginNotAllowedError, OriginRequestError } from './errors.ts'
import { type Listing, type ListTagsOptions, listReferrers, listTags, type ReferrersOptions } from './listings.ts'
import { type FetchedManifest, getManifest, headManifest, type ManifestHead } from './manifests.ts'
import { type OriginMetrics, originMetrics } from './metrics.ts'
import { type ProbeResult, type ProbeTarget, probe } from './probe.ts'
import { Registry } from './registry.ts'
import {
  type BlobReadOptions,
  DEFAULT_RETRIES,
  type Identity,
  type OriginCallOptions,
  type OriginClientComponents,
  type OriginClientInit,
} from './settings.ts'

/** Where a blob may be read, best first, and in whose name: the shape of the scheduler's `OriginAccess`. */
export interface BlobAccess {
  readonly origins: readonly OriginRef[]
  /** Belongs to the first origin's namespace; origins in other namespaces are asked anonymously when it is given. */
  readonly authorization?: string | undefined
}

/**
 * Asks the registries that images come from. Every method throws OriginNotAllowedError for a namespace that is not configured,
 * OriginRequestError for a malformed name, and else the errors of this module that say what the origin did.
 */
export class OriginClient {
  readonly #clock: Clock
  readonly #bandwidth: Bandwidth | undefined
  readonly #metrics: OriginMetrics
  readonly #registries = new Map<string, Registry>()

  constructor(init: OriginClientInit, components: OriginClientComponents) {
    const { clock, random = Math.random } = components
    const logger = components.logger.child({ module: 'origin' })
    const metrics = originMetrics(components.metrics)
    const dockerCredentials = new DockerCredentials(init.dockerConfigFile, { logger, clock })
    const { defaults = {}, retries = DEFAULT_RETRIES, timeouts, userAgent } = init
    for (const [name, settings] of init.registries) {
      const namespace = normalizeNamespace(name)
      if (namespace === undefined) throw new TypeError(`${name} is not a registry host`)
      const registryInit = { namespace, settings, defaults, retries, timeouts, userAgent }
      this.#registries.set(namespace, new Registry(registryInit, { dockerCredentials, logger, metrics, clock, random }))
    }
    this.#clock = clock
    this.#bandwidth = components.bandwidth
    this.#metrics = metrics
  }

  /** Whether a namespace, in any spelling, may be asked at all. */
  allows(namespace: string): boolean {
    return this.#registries.has(normalizeNamespace(namespace) ?? '')
  }

  /** What a tag or digest stands for, asked with HEAD where that is enough; `undefined` when the origin does not know it. */
  async headManifest(ref: OriginRef, reference: string, options: OriginCallOptions): Promise<ManifestHead | undefined> {
    return await headManifest({ ...this.#place(ref), reference: referenceOf(reference) }, options)
  }

  /** A manifest or index of at most 4 MiB whose digest was checked; `undefined` when the origin does not know it. */
  async getManifest(
    ref: OriginRef,
    reference: string,
    options: OriginCallOptions,
  ): Promise<FetchedManifest | undefined> {
    return await getManifest({ ...this.#place(ref), reference: referenceOf(reference) }, options)
  }

  /** The size of a blob; `undefined` when the repository does not have it. */
  async headBlob(
    ref: OriginRef,
    digest: Digest,
    options: OriginCallOptions,
  ): Promise<{ sizeBytes: number } | undefined> {
    return await headBlob({ ...this.#place(ref), digest }, options)
  }

  /** A page of the tags of a repository, as the origin sent it; `undefined` when it does not know the repository. */
  async listTags(ref: OriginRef, options: ListTagsOptions): Promise<Listing | undefined> {
    return await listTags(this.#place(ref), options)
  }

  /** A page of the referrers of a manifest, as the origin sent it; `undefined` when it has none, no such API, or does not know the repository. */
  async referrers(ref: OriginRef, digest: Digest, options: ReferrersOptions): Promise<Listing | undefined> {
    return await listReferrers(this.#place(ref), digest, options)
  }

  /** Whether the caller, with exactly the Authorization given or with none, may read `target` at the origin. */
  async probe(ref: OriginRef, target: ProbeTarget, options: OriginCallOptions): Promise<ProbeResult> {
    return await probe({ ...this.#place(ref), target }, options)
  }

  /**
   * Bytes [start, end) of a blob in order, exactly that many; not verified. Resumes and retries inside, and goes on at the next of
   * `access.origins` where one fails. Throws the first failure that says more than that the blob is missing, else OriginMissingError.
   */
  async *readBlob(
    ref: BlobRef,
    access: BlobAccess,
    range: ByteRange,
    options: BlobReadOptions,
  ): AsyncGenerator<Uint8Array> {
    checkRange(ref, range)
    let offset = range.start
    let failure: ShoalError | undefined
    for (const origin of this.#allowed(access.origins)) {
      const identity = identityFor(origin, access)
      try {
        for await (const piece of this.#readBlobAt(origin, ref, identity, { start: offset, end: range.end }, options)) {
          offset += piece.byteLength
          yield piece
        }
        return
      } catch (error) {
        if (!(error instanceof ShoalError) || options.signal?.aborted === true) throw error
        if (failure === undefined || failure instanceof OriginMissingError) failure = error
      }
    }
    throw failure ?? new OriginMissingError()
  }

  /** Cuts every connection; calls under way fail. */
  async close(): Promise<void> {
    await Promise.all([...this.#registries.values()].map(async (registry) => await registry.close()))
  }

  #readBlobAt(
    origin: OriginRef,
    ref: BlobRef,
    identity: Identity,
    range: ByteRange,
    options: BlobReadOptions,
  ): AsyncGenerator<Uint8Array> {
    const namespace = normalizeNamespace(origin.namespace) ?? ''
    const onDiscard = (count: number) => this.#metrics.discarded.inc({ namespace }, count)
    const place = { ...this.#place(origin), ref, identity, onDiscard, bandwidth: this.#bandwidth }
    return readBlobFrom(place, range, options)
  }

  #place({ namespace, repository }: OriginRef): { registry: Registry; repository: string; clock: Clock } {
    const registry = this.#registries.get(normalizeNamespace(namespace) ?? '')
    if (registry === undefined) throw new OriginNotAllowedError(namespace)
    if (!isRepositoryName(repository)) throw new OriginRequestError('not a repository name')
    return { registry, repository, clock: this.#clock }
  }

  // Peers tell where a blob comes from, so the list may well have places this agent must not ask.
  #allowed(origins: readonly OriginRef[]): readonly OriginRef[] {
    const allowed = origins.filter(
      ({ namespace, repository }) => this.allows(namespace) && isRepositoryName(repository),
    )
    const [first] = origins
    if (allowed.length === 0 && first !== undefined) throw new OriginNotAllowedError(first.namespace)
    return allowed
  }
}

function referenceOf(text: string): Reference {
  const reference = parseReference(text)
  if (reference === undefined) throw new OriginRequestError('not a tag or sha256 digest')
  return reference
}

function checkRange({ sizeBytes }: BlobRef, { start, end }: ByteRange): void {
  const isInside =
    Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= sizeBytes
  if (!isInside) throw new OriginRequestError(`bytes [${start}, ${end}) are not in a blob of ${sizeBytes} bytes`)
}

// A caller's token or password is meant for the registry it was given for and for no other.
function identityFor({ namespace }: OriginRef, { origins, authorization }: BlobAccess): Identity {
  if (authorization === undefined) return { kind: 'agent' }
  const [first] = origins
  const isSameRegistry = first !== undefined && normalizeNamespace(first.namespace) === normalizeNamespace(namespace)
  return isSameRegistry ? { kind: 'caller', authorization } : { kind: 'anonymous' }
}
