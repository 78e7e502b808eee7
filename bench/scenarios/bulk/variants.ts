import { exchangeTransport } from './exchange.ts'
import { httpTransport } from './http.ts'
import { rawTcpTransport } from './raw-tcp.ts'
import type { Transport } from './transport.ts'

/** What is compared, by the path of its figures. */
export const VARIANTS = {
  rawTcp: rawTcpTransport,
  http: httpTransport,
  'carriers.libp2p': exchangeTransport('libp2p'),
  'carriers.tls': exchangeTransport('tls'),
} as const satisfies Readonly<Record<string, Transport>>

export type Variant = keyof typeof VARIANTS

/** The carrier that agents use unless told otherwise. */
export const DEFAULT_CARRIER = 'tls'
