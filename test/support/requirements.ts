import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs that the tests with real clients run, and the Debian packages that bring them. */
const PROGRAMS: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  'docker-registry': 'docker-registry',
  skopeo: 'skopeo',
  ip: 'iproute2',
  busybox: 'busybox-static',
}

/** Debian packages of which at least one program is not there. */
export function missingPackages(): readonly string[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const missing = Object.entries(PROGRAMS).filter(
    ([program]) => !folders.some((folder) => existsSync(join(folder, program))),
  )
  return [...new Set(missing.map(([, name]) => name))]
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** Why tests with real containerd, registries and skopeo cannot run here; `undefined` when they can. */
export function containerObstacle(): string | undefined {
  if (!isRoot()) return 'containerd and runc need root'
  const missing = missingPackages()
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`
}

/** Options of a test with real containerd, registries or skopeo: skipped, with the reason, where they cannot run. */
export function withContainers(timeoutMs: number): { readonly timeout: number; readonly skip: string | false } {
  return { timeout: timeoutMs, skip: containerObstacle() ?? false }
}
