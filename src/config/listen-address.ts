import { isIP } from 'node:net'

/** A local address to listen on; port 0 lets the system choose. */
export interface ListenAddress {
  /** An IP address without brackets, or `localhost`. */
  readonly host: string
  readonly port: number
}

const PATTERN = /^(?:\[([0-9a-f:.%a-z]+)\]|([^:[\]]+)):(\d{1,5})$/i

/** The address that `127.0.0.1:5000`, `[::1]:5000` or `localhost:0` spells, or `undefined`. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = PATTERN.exec(text.trim())
  if (match === null) return undefined
  const [, bracketed, plain, digits] = match
  const port = Number(digits)
  if (port > 65_535) return undefined
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host: bracketed, port } : undefined
  if (plain === undefined || (isIP(plain) !== 4 && plain !== 'localhost')) return undefined
  return { host: plain, port }
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatListenAddress(address: ListenAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** Whether only processes on this machine (or in this network namespace) can connect to `address`. */
export function isLoopback(address: ListenAddress): boolean {
  return address.host === 'localhost' || address.host === '::1' || address.host.startsWith('127.')
}
