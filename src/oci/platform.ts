/** What a manifest in an index was built for. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
  readonly osVersion?: string | undefined
}

interface Built {
  readonly platform: Platform | undefined
}

// Names that Go, uname and Debian use for the same machine, as containerd maps them.
const ARCHITECTURES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
}

// Each variant runs what is built for those after it.
const RUNS: Readonly<Record<string, readonly string[]>> = {
  amd64: ['v4', 'v3', 'v2', 'v1'],
  arm: ['v8', 'v7', 'v6', 'v5'],
}

// The variant meant by images and machines that name none.
const DEFAULT_VARIANT: Readonly<Record<string, string>> = { amd64: 'v1', arm: 'v7', arm64: 'v8' }

/** Parses `linux/amd64` or `linux/arm/v7`, known aliases of architectures included; `undefined` for anything else. */
export function parsePlatform(text: string): Platform | undefined {
  const parts = text.toLowerCase().split('/')
  if (parts.length < 2 || parts.length > 3 || !parts.every((part) => /^[a-z0-9._-]{1,32}$/.test(part))) return undefined
  const [os = '', architecture = '', variant] = parts
  return normalizePlatform({ os, architecture, variant })
}

/** Whether a machine of platform `machine` runs what was built for `built`. */
export function matchesPlatform(machine: Platform, built: Platform): boolean {
  return rank(machine, built) !== undefined
}

/**
 * The manifest of an index that suits `machine` best, or `undefined` when none runs there. Attestations and other entries
 * for the platform `unknown` never match; a lone entry that states no platform does.
 */
export function choosePlatform<M extends Built>(manifests: readonly M[], machine: Platform): M | undefined {
  let best: { manifest: M; rank: number } | undefined
  for (const manifest of manifests) {
    const found = manifest.platform === undefined ? undefined : rank(machine, manifest.platform)
    if (found !== undefined && (best === undefined || found < best.rank)) best = { manifest, rank: found }
  }
  if (best !== undefined) return best.manifest
  const [only] = manifests
  return manifests.length === 1 && only?.platform === undefined ? only : undefined
}

/** 0 for an exact match, more for an older variant, `undefined` for no match. */
function rank(machine: Platform, built: Platform): number | undefined {
  const wanted = normalizePlatform(machine)
  const offered = normalizePlatform(built)
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return undefined
  if (wanted.variant === offered.variant) return 0
  const order = RUNS[wanted.architecture] ?? []
  const from = order.indexOf(wanted.variant ?? '')
  const to = order.indexOf(offered.variant ?? '')
  return from === -1 || to < from ? undefined : to - from
}

function normalizePlatform(platform: Platform): Platform {
  const [architecture, implied] = ARCHITECTURES[platform.architecture] ?? [platform.architecture]
  const variant = (platform.variant || implied) ?? DEFAULT_VARIANT[architecture]
  return { ...platform, architecture, variant: variant === '' ? DEFAULT_VARIANT[architecture] : variant }
}
