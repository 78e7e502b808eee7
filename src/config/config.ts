import type { PeerRef, PeerRole } from '../core/index.ts'
import type { Limits } from './limits.ts'
import type { ListenAddress } from './listen-address.ts'

/** How one origin registry is reached; the registries that have one are the allow-list. */
export interface RegistryConfig {
  /** containerd's name for it: `docker.io`, `registry.example:5000`. */
  readonly namespace: string
  /** Base URL without a slash at its end; a path in it comes before `/v2/`. `undefined` means https at the registry's own name. */
  readonly url: string | undefined
  readonly caFile: string | undefined
  /** Present together with `passwordFile`, or neither is. */
  readonly username: string | undefined
  readonly passwordFile: string | undefined
  /** Hosts besides the registry's own that may be sent its credentials as a token service. */
  readonly realmHosts: readonly string[]
  /** `verify`: clients must prove their right to pull at the origin; `open`: whoever reaches the mirror may. */
  readonly access: 'verify' | 'open'
  readonly maxConcurrency: number
  readonly requestsPerSecond: number
}

export interface MirrorConfig {
  readonly listen: readonly ListenAddress[]
  /** Addresses that each serve one registry. */
  readonly listeners: readonly { readonly address: ListenAddress; readonly namespace: string }[]
  readonly defaultNamespace: string | undefined
  readonly maxConnections: number
  /** Lower-case names of request headers that may name the registry, besides `x-shoal-ns`. */
  readonly namespaceHeaders: readonly string[]
}

export interface P2pConfig {
  readonly listen: readonly string[]
  /** Empty means what is listened on. */
  readonly announce: readonly string[]
  /** Without the trackers, which are bootstrap peers too. */
  readonly bootstrap: readonly PeerRef[]
  readonly maxConnections: number
  /** Empty means whoever has the cluster key. */
  readonly admittedPeers: readonly string[]
}

export interface ExchangeConfig {
  readonly uploadSlots: number
  /** Where chunks are served over TLS; `undefined` means nowhere. */
  readonly listen: ListenAddress | undefined
  /** What carries the chunks that this process asks for, where there is a choice. */
  readonly carrier: 'tls' | 'libp2p'
}

/** What becomes of layers that were read in part. */
export interface CompletionConfig {
  readonly mode: 'off' | 'idle' | 'now'
  readonly quietMs: number
}

export interface TimeoutsConfig {
  readonly firstByteMs: number
  readonly stallMs: number
  readonly originConnectMs: number
  readonly originHeadersMs: number
  readonly originIdleMs: number
  readonly stopMs: number
}

/** The configuration of one process, checked and complete. Paths are absolute. */
export interface Config {
  readonly role: PeerRole
  readonly dataDir: string
  /** Empty when not known. */
  readonly zone: string
  /** `key` is secret and wins over `keyFile`. */
  readonly cluster: { readonly keyFile: string; readonly key: string | undefined }
  readonly identity: { readonly file: string }
  readonly store: { readonly quotaBytes: number; readonly minFreeBytes: number; readonly memoryBytes: number }
  readonly mirror: MirrorConfig
  readonly admin: { readonly listen: ListenAddress }
  readonly p2p: P2pConfig
  /** Each tracker once with all its addresses. In the role of a tracker the list may name the process itself. */
  readonly trackers: readonly PeerRef[]
  readonly registries: readonly RegistryConfig[]
  readonly credentials: { readonly dockerConfigFile: string | undefined }
  readonly tags: { readonly ttlMs: number; readonly staleLimitMs: number }
  readonly access: { readonly ttlMs: number; readonly staleLimitMs: number }
  readonly exchange: ExchangeConfig
  readonly limits: Limits
  readonly completion: CompletionConfig
  readonly timeouts: TimeoutsConfig
  readonly log: {
    readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
    readonly format: 'auto' | 'human' | 'json'
  }
}
