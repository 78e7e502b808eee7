import type { AbortOptions } from '../core/index.ts'
import { ControlClient, type ControlClientInit } from './control-client.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { Lane } from './lane.ts'
import type { HelloMessage } from './messages.ts'

/** A control stream on which both sides have said hello. */
export interface OpenedControl {
  readonly lane: Lane
  readonly client: ControlClient
  readonly hello: HelloMessage
  /** Whether it goes over TLS. */
  readonly isFast: boolean
  /** Fires when it has ended. */
  readonly ended: AbortSignal
}

export interface ControlOpeningInit extends Omit<ControlClientInit, 'lane' | 'onClosed'> {
  readonly hello: HelloMessage
  /** Opens a control stream where a connection is. */
  readonly openControl: (options: AbortOptions) => Promise<Lane>
  /** Opens one at the peer's bulk port; `undefined` when that cannot be used now. */
  readonly openFastControl: (bulkPort: number, options: AbortOptions) => Promise<Lane | undefined>
  /** A control stream has ended; called once for each, also while they are opened. */
  readonly onClosed: (lane: Lane, error: Error | undefined) => void
}

/**
 * Opens a control stream as a libp2p stream; where the peer's hello names a bulk port, one over TLS takes its place, since
 * a message costs 0.2 ms of CPU time there and 0.6 ms here, both ends together (measured). Nothing is followed before that,
 * so nothing has to move. Throws what `openControl` and `ControlClient.greet` throw.
 */
export async function openControl(init: ControlOpeningInit, options: AbortOptions): Promise<OpenedControl> {
  const first = await greet(await init.openControl(options), false, init, options)
  try {
    const second = await openSecond(first, init, options)
    if (second === undefined) return first
    first.lane.close()
    return second
  } catch (error) {
    first.lane.abort(new PeerClosedError('the link could not be opened', error))
    throw error
  }
}

async function openSecond(
  first: OpenedControl,
  init: ControlOpeningInit,
  options: AbortOptions,
): Promise<OpenedControl | undefined> {
  const lane = await openFastSoon(first, init, options)
  if (lane === undefined) return undefined
  try {
    // From here on the peer may have given the first up, so this has the time that a hello has.
    return await greet(lane, true, init, options)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (error instanceof PeerProtocolError) throw error
    return undefined
  }
}

/** A port that does not answer in time is tried further, as long as the first stream is up, so that data lanes know of it. */
async function openFastSoon(
  { hello: { bulkPort }, ended }: OpenedControl,
  { clock, limits, openFastControl }: ControlOpeningInit,
  { signal }: AbortOptions,
): Promise<Lane | undefined> {
  if (bulkPort === undefined) return undefined
  const makeError = () => new PeerStalledError('the bulk port takes no control stream in time')
  const opening = openFastControl(bulkPort, { signal: ended })
  try {
    return await withDeadline({ clock, timeoutMs: limits.tlsControlPatienceMs, signal, makeError }, () => opening)
  } catch {
    opening.then((lane) => lane?.close()).catch(() => undefined)
    signal?.throwIfAborted()
    return undefined
  }
}

async function greet(
  lane: Lane,
  isFast: boolean,
  init: ControlOpeningInit,
  options: AbortOptions,
): Promise<OpenedControl> {
  const ending = new AbortController()
  const onClosed = (error: Error | undefined) => {
    ending.abort()
    init.onClosed(lane, error)
  }
  const client = new ControlClient({ ...init, lane, onClosed })
  try {
    return { lane, client, hello: await client.greet(init.hello, options), isFast, ended: ending.signal }
  } catch (error) {
    lane.abort(error instanceof Error ? error : new PeerClosedError('no hello', error))
    throw error
  }
}
