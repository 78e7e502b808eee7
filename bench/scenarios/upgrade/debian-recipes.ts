/** Which of two builds of an image: from the packages that a Debian release came with, or from today's. */
export type ImageVersion = 'v1' | 'v2'

export type ImageSize = 'small' | 'medium'

/** Packages of each layer above the base, as a Containerfile would install them. */
export const LAYER_PACKAGES: Readonly<Record<ImageSize, readonly (readonly string[])[]>> = {
  small: [['python3'], ['perl', 'curl']],
  medium: [
    ['python3', 'python3-pip', 'perl', 'git', 'curl'],
    ['nodejs'],
    ['gcc', 'g++', 'make', 'libc6-dev'],
    ['python3-numpy', 'python3-requests', 'python3-yaml'],
  ],
}

/** What a package manager leaves behind that no image keeps. */
const CLEAN =
  'rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/log/*.log /var/log/apt /var/cache/debconf/*-old'

const APT = 'DEBIAN_FRONTEND=noninteractive apt-get -y -qq'

/** Brings the base up to date. */
export const UPGRADE = `apt-get -qq update && ${APT} dist-upgrade`

/** What official base images leave out too: documents and translations, and what only this machine has. */
export const TIDY = [
  CLEAN,
  'find /usr/share/doc -depth -type f ! -name copyright -delete',
  'rm -rf /usr/share/man/* /usr/share/locale/*',
].join(' && ')

/** The recipe of an image on `base`, which both versions share. */
export function containerfile(size: ImageSize, base: string): string {
  const installs = LAYER_PACKAGES[size].map(
    (names) => `RUN apt-get -qq update && ${APT} install --no-install-recommends ${names.join(' ')} && ${CLEAN}`,
  )
  return `${[`FROM ${base}`, ...installs].join('\n')}\n`
}

/** Where apt finds packages: the release alone, or with its updates, from the archives that this machine uses. */
export function aptSources(version: ImageVersion, { suite, archive, security }: DebianArchives): string {
  const release = `deb ${archive} ${suite} main`
  const updates = [`deb ${archive} ${suite}-updates main`, `deb ${security} ${suite}-security main`]
  return `${(version === 'v1' ? [release] : [release, ...updates]).join('\n')}\n`
}

/** The Debian that this machine is, and where its packages come from. */
export interface DebianArchives {
  readonly suite: string
  readonly archive: string
  readonly security: string
}

/** The archives named in apt's sources, of which those of security updates have `security` in their address. */
export function archivesIn(osRelease: string, sources: string): DebianArchives | undefined {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(osRelease)?.[1]
  const urls = [...sources.matchAll(/^(?:URIs:|deb\s).*?(https?:\/\/[^\s\]]+)/gm)].map(([, url]) => url ?? '')
  const archive = urls.find((url) => !url.includes('security'))
  const security = urls.find((url) => url.includes('security'))
  return suite === undefined || archive === undefined || security === undefined
    ? undefined
    : { suite, archive, security }
}
