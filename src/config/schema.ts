import { z } from 'zod'
import * as leaf from './leaf.ts'
import { optionalSetting, requiredSetting, section, setting } from './setting.ts'

/**
 * Every setting with its kind, default and description. What a file, the environment and the flags may say is this and
 * nothing else; the reference table, `--help` and the printed configuration are made from it.
 */

/** Registries that anybody may pull from: the allow-list when none is configured. */
export const PUBLIC_REGISTRIES: Readonly<Record<string, Record<string, never>>> = {
  'docker.io': {},
  'quay.io': {},
  'ghcr.io': {},
  'registry.k8s.io': {},
  'gcr.io': {},
  'mcr.microsoft.com': {},
  'public.ecr.aws': {},
}

const registry = section({
  url: optionalSetting(leaf.originUrl(), 'URL', {
    description:
      'Where the registry is asked. Default: https:// and the namespace; registry-1.docker.io for docker.io.',
  }),
  caFile: optionalSetting(leaf.filePath(), 'path', {
    description: 'PEM file of certificate authorities to trust for this registry besides the usual ones.',
  }),
  username: optionalSetting(leaf.text(), 'text', { description: 'User the agent pulls as; needs passwordFile.' }),
  passwordFile: optionalSetting(leaf.filePath(), 'path', {
    description: 'File that holds the password or token of username.',
  }),
  realmHosts: setting(leaf.list(leaf.namespace()), 'list of hosts', [], {
    description: 'Hosts besides its own that may be sent its credentials when it names them as token service.',
  }),
  access: setting(leaf.choice('verify', 'open'), 'verify | open', 'verify', {
    description:
      'verify: each client must show the registry that it may pull the image. open: whoever reaches the mirror may have it.',
  }),
  maxConcurrency: setting(leaf.count(1, 1000), 'number', 8, { description: 'Most requests at this registry at once.' }),
  requestsPerSecond: setting(leaf.count(1, 100_000), 'number', 50, {
    description: 'Most requests a second to this registry.',
  }),
})

const listener = section({
  address: requiredSetting(leaf.listenAddress(), 'address', { description: 'Address that serves one registry only.' }),
  namespace: requiredSetting(leaf.namespace(), 'registry host', { description: 'The registry it serves.' }),
})

/** The limits of one direction. `bytes` says which bytes those are. */
function limitsOn(bytes: string) {
  const rate = (what: string, isCommon = false) =>
    setting(leaf.rate(), 'rate', 'unlimited', { description: `Most bytes a second ${bytes}${what}.`, isCommon })
  return section({
    total: rate(', all together', true),
    lazy: rate(' for readers that wait for just these'),
    pull: rate(' for pulls of whole images'),
    background: rate(' for pulls ahead of time and for completing layers, which nobody waits for'),
  }).prefault({})
}

/** The whole configuration as it is written. */
export const settingsSchema = section({
  dataDir: setting(leaf.filePath(), 'path', '/var/lib/shoal', {
    description: 'Folder for stored layers and the identity. Must survive restarts.',
    isCommon: true,
  }),
  zone: setting(leaf.text(), 'text', '', {
    description: 'Failure domain or site of this node, told to peers and shown by status.',
    isCommon: true,
  }),
  trackers: setting(leaf.list(leaf.pinnedMultiaddr()), 'list of multiaddrs', [], {
    description:
      'Trackers with the PeerIds they must prove. What they vouch for is trusted; they are bootstrap peers too.',
    isCommon: true,
  }),
  cluster: section({
    keyFile: setting(leaf.filePath(), 'path', '/etc/shoal/cluster.key', {
      description: 'File with the key that admits peers to the cluster.',
      isCommon: true,
    }),
    key: optionalSetting(leaf.text(), 'text', {
      description: 'The cluster key itself, instead of keyFile.',
      isSecret: true,
    }),
  }).prefault({}),
  identity: section({
    file: optionalSetting(leaf.filePath(), 'path', {
      description: 'File with the Ed25519 key behind the PeerId. Default: identity.key in dataDir.',
    }),
  }).prefault({}),
  store: section({
    quota: setting(leaf.quota(), 'size or %', '50GiB', {
      description: 'Most disk space for layers; what was used longest ago is evicted.',
      isCommon: true,
      trackerDefault: '200GiB',
    }),
    minFree: setting(leaf.quota(), 'size or %', '5GiB', { description: 'Disk space always left free for others.' }),
    memory: setting(leaf.size(), 'size', '64MiB', { description: 'Memory for chunks that are read again and again.' }),
  }).prefault({}),
  mirror: section({
    listen: setting(leaf.list(leaf.listenAddress()), 'list of addresses', ['127.0.0.1:5000'], {
      description:
        'Where containerd finds the mirror. Anything but loopback lets others on the network pull through it.',
      isCommon: true,
    }),
    listeners: z.array(listener).max(100).prefault([]),
    defaultNamespace: optionalSetting(leaf.namespace(), 'registry host', {
      description: 'Registry of requests that name none.',
    }),
    maxConnections: setting(leaf.count(1, 65_535), 'number', 512, { description: 'Most client connections at once.' }),
    namespaceHeaders: setting(leaf.list(leaf.headerName()), 'list of header names', [], {
      description: 'Request headers, besides x-shoal-ns, that may name the registry.',
    }),
  }).prefault({}),
  admin: section({
    listen: setting(leaf.listenAddress(), 'address', '127.0.0.1:5080', {
      description: 'Where status, metrics, health and `shoal pull` are answered.',
      isCommon: true,
    }),
  }).prefault({}),
  p2p: section({
    listen: setting(leaf.list(leaf.listenMultiaddr()), 'list of multiaddrs', ['/ip4/0.0.0.0/tcp/5001'], {
      description: 'Where other peers reach this one.',
      isCommon: true,
    }),
    announce: setting(leaf.list(leaf.listenMultiaddr()), 'list of multiaddrs', [], {
      description: 'Addresses told to others instead of the ones listened on.',
    }),
    bootstrap: setting(leaf.list(leaf.pinnedMultiaddr()), 'list of multiaddrs', [], {
      description: 'Peers to join through, besides the trackers.',
    }),
    maxConnections: setting(leaf.count(1, 65_535), 'number', 300, {
      description: 'Most connections to peers at once.',
      trackerDefault: 2000,
    }),
    admittedPeers: setting(leaf.list(leaf.peerId()), 'list of PeerIds', [], {
      description: 'When not empty, only these peers (and the trackers) are admitted, cluster key or not.',
    }),
  }).prefault({}),
  registries: z
    .record(
      z.string().regex(leaf.NAMESPACE_PATTERN, {
        error: 'expected a registry host such as docker.io or registry.example:5000',
      }),
      registry,
      {
        error: (issue) =>
          issue.code === 'invalid_type' ? `expected registries by host, got ${leaf.shown(issue.input)}` : undefined,
      },
    )
    .prefault(PUBLIC_REGISTRIES),
  credentials: section({
    dockerConfig: optionalSetting(leaf.filePath(), 'path', {
      description: 'A docker config.json whose credentials the agent pulls with.',
    }),
  }).prefault({}),
  tags: section({
    ttl: setting(leaf.duration(), 'duration', '30s', {
      description: 'How long a resolved tag is not asked for again.',
    }),
    staleLimit: setting(leaf.duration(), 'duration', '24h', {
      description: 'How old a resolved tag may be when its registry is down.',
    }),
  }).prefault({}),
  access: section({
    ttl: setting(leaf.duration(), 'duration', '60s', {
      description: 'How long a proof of access is not asked for again.',
    }),
    staleLimit: setting(leaf.duration(), 'duration', '24h', {
      description: 'How old a proof of access may be when its registry is down.',
    }),
  }).prefault({}),
  exchange: section({
    uploadSlots: setting(leaf.count(1, 1000), 'number', 5, {
      description: 'Most chunks sent to peers at once.',
      trackerDefault: 8,
    }),
    listen: setting(leaf.listenAddressOrOff(), 'address | off', '0.0.0.0:5002', {
      description:
        'TCP port where peers fetch chunks over TLS, at the hosts of p2p.listen. Peers that cannot reach it use p2p.listen alone.',
    }),
    carrier: setting(leaf.choice('tls', 'libp2p'), 'tls | libp2p', 'tls', {
      description: 'tls: chunks are fetched over TLS where it works, at under half the CPU time. libp2p: never.',
    }),
  }).prefault({}),
  limits: section({
    upload: limitsOn('sent to peers'),
    download: limitsOn('taken from peers and trackers'),
    origin: limitsOn('read from registries'),
  }).prefault({}),
  completion: section({
    mode: setting(leaf.choice('off', 'idle', 'now'), 'off | idle | now', 'idle', {
      description:
        'What becomes of a layer that a lazy snapshotter has read a part of. idle: the rest is fetched when no reader waits, gently. now: at once. off: nothing.',
    }),
    quiet: setting(leaf.duration(), 'duration', '10s', {
      description: 'In idle, how long no reader of this node may have had to wait before anything is fetched.',
    }),
  }).prefault({}),
  timeouts: section({
    firstByte: setting(leaf.duration(), 'duration', '12s', {
      description: 'Longest until a client has its first verified byte, else it is sent on.',
    }),
    stall: setting(leaf.duration(), 'duration', '250ms', {
      description: 'Shortest silence after which a chunk is moved to another source.',
    }),
    originConnect: setting(leaf.duration(), 'duration', '3s', { description: 'Longest to connect to a registry.' }),
    originHeaders: setting(leaf.duration(), 'duration', '10s', {
      description: 'Longest until a registry begins to answer.',
    }),
    originIdle: setting(leaf.duration(), 'duration', '20s', {
      description: 'Longest silence in a body from a registry.',
    }),
    stop: setting(leaf.duration(), 'duration', '10s', {
      description: 'Longest that transfers are finished in after a signal to stop.',
    }),
  }).prefault({}),
  log: section({
    level: setting(leaf.choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), 'level', 'info', {
      description: 'Least severity that is logged: fatal, error, warn, info, debug, trace or silent.',
      isCommon: true,
    }),
    format: setting(leaf.choice('auto', 'human', 'json'), 'auto | human | json', 'auto', {
      description: 'auto is human on a terminal, else json.',
      isCommon: true,
    }),
  }).prefault({}),
})

/** The whole configuration, checked, under the names it is written with. */
export type Settings = z.output<typeof settingsSchema>
