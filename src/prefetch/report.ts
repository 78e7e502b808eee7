import type { Clock } from '../core/index.ts'
import { within } from '../util/index.ts'
import type { Answer } from './messages.ts'
import type { AnsweringChannel } from './ports.ts'
import { pause } from './pause.ts'
import { asError } from './reason.ts'
import type { RunningOrder } from './running-order.ts'

/** Soon, since it says whom else the node has told. */
const FIRST_REPORT_MS = 100

/** How often a node says how far it and those behind it are. */
const REPORT_MS = 1_000

/** Longest to hand a message to the connection. */
const SEND_MS = 5_000

export interface ReportOptions {
  /** Our host name. */
  readonly name: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The end was told, and nobody will ask for it again. */
  readonly onTold: () => void
}

/**
 * Tells who sent the order how it goes, every second and at the end, and ends the order when that one says so. When the other is
 * gone, the order goes on without. Never throws.
 */
export async function report(channel: AnsweringChannel, order: RunningOrder, options: ReportOptions): Promise<void> {
  const gone = new AbortController()
  const replaced = order.listen(channel.peerId)
  const signal = AbortSignal.any([gone.signal, replaced, options.signal])
  const listening = hearOut(channel, order, gone)
  const send = async (message: Answer): Promise<void> =>
    await within(options.clock, SEND_MS, signal, async (inner) => await channel.send(message, { signal: inner }))
  try {
    await send({ kind: 'accepted', name: options.name, isMeant: order.isMeant })
    const finished = order.finished().then(() => true)
    let pauseMs = FIRST_REPORT_MS
    while ((await Promise.race([finished, pause(options.clock, pauseMs, signal)])) !== true) {
      await send({ kind: 'report', isFinal: false, tally: order.tally, told: order.takeNews() })
      pauseMs = REPORT_MS
    }
    await send({ kind: 'report', isFinal: true, tally: order.tally, told: [] })
    options.onTold()
    channel.close()
  } catch (error) {
    channel.abort(asError(error))
  } finally {
    order.unlisten(replaced)
    gone.abort()
    await listening
  }
}

/** Waits for the one thing that may still come, or for the end of the stream. */
async function hearOut(channel: AnsweringChannel, order: RunningOrder, gone: AbortController): Promise<void> {
  try {
    const ask = await channel.receive({ signal: gone.signal })
    if (ask.kind === 'cancel') order.cancel()
  } catch {
    // It has hung up.
  } finally {
    gone.abort()
  }
}
