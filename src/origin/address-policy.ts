import { type LookupAllOptions, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * Addresses a registry must not send us to: this machine, the local link and the metadata services of clouds, which hand out the
 * node's credentials to whoever asks from here. Private networks are not among them, since registries on one keep their storage there.
 */
const FORBIDDEN = new BlockList()
FORBIDDEN.addSubnet('0.0.0.0', 8)
FORBIDDEN.addSubnet('127.0.0.0', 8)
FORBIDDEN.addSubnet('169.254.0.0', 16)
FORBIDDEN.addAddress('100.100.100.200') // Alibaba Cloud
FORBIDDEN.addAddress('168.63.129.16') // Azure's wire server
FORBIDDEN.addAddress('192.0.0.192') // Oracle Cloud
FORBIDDEN.addAddress('::', 'ipv6')
FORBIDDEN.addAddress('::1', 'ipv6')
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6')
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6') // AWS
FORBIDDEN.addAddress('fd20:ce::254', 'ipv6') // Google Cloud

/** Whether nothing a registry says may make us connect to `address`, an IPv4 or IPv6 address. IPv4-mapped IPv6 addresses count as IPv4. */
export function isForbiddenAddress(address: string): boolean {
  return FORBIDDEN.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Whether the host of `url` is forbidden as it is written; names are only known once looked up, see `guardedLookup`. */
export function hasForbiddenHost(url: URL): boolean {
  const host = hostOf(url)
  return isIP(host) === 0 ? isLocalName(host) : isForbiddenAddress(host)
}

/** Whether the host of `url` is this machine as it is written, so that its redirects to this machine are its own business. */
export function isLoopback(url: URL): boolean {
  const host = hostOf(url)
  return isLocalName(host) || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** `dns.lookup` without the forbidden addresses, for the socket itself: no second answer of the name server slips in between. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true } as LookupAllOptions, (error, addresses) => {
    if (error !== null) return callback(error, [])
    const allowed = addresses.filter(({ address }) => !isForbiddenAddress(address))
    const [first] = allowed
    if (first === undefined) return callback(refusal(hostname), [])
    return options.all === true ? callback(null, allowed) : callback(null, first.address, first.family)
  })
}

/** `code` of the error of a connection that `guardedLookup` refused. */
export const FORBIDDEN_ADDRESS = 'ERR_SHOAL_FORBIDDEN_ADDRESS'

function refusal(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} is an address that a redirect must not lead to`), {
    code: FORBIDDEN_ADDRESS,
  })
}

/** The host without the brackets of IPv6 and the dot that ends a full name. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|[\].]$/g, '')
}

function isLocalName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}
