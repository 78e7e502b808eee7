import type { Clock } from '../core/index.ts'
import { within } from '../util/index.ts'
import type { Answer } from './messages.ts'
import { pause } from './pause.ts'
import type { AnsweringChannel } from './ports.ts'
import { asError } from './reason.ts'
import type { RunningOrder } from './running-order.ts'

/** Soon, since it says whom else the node has told. */
const FIRST_REPORT_MS = 100

/** How often a node says how far it and those behind it are. */
const REPORT_MS = 1_000

/** Each report is heard at once; a listener that says so no more for this long is taken for dead. */
const UNHEARD_MS = 15_000

/** Longest to hand a message to the connection. */
const SEND_MS = 5_000

export interface ReportOptions {
  /** Our host name. */
  readonly name: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Tells who sent the order how it goes, every second and at the end, and ends the order when that one says so. When it is
 * gone, the order goes on without, for whoever is sent in its place. Never throws.
 */
export async function report(channel: AnsweringChannel, order: RunningOrder, options: ReportOptions): Promise<void> {
  const { clock, name } = options
  const replaced = order.listen(channel.peerId)
  const listener = new Listener(channel, order, clock)
  const signal = AbortSignal.any([listener.gone, replaced, options.signal])
  const send = async (message: Answer): Promise<void> =>
    await within(clock, SEND_MS, signal, async (inner) => await channel.send(message, { signal: inner }))
  const hearing = listener.hear(signal)
  try {
    await send({ kind: 'accepted', name, isMeant: order.isMeant })
    const finished = order.finished().then(() => true)
    let pauseMs = FIRST_REPORT_MS
    while ((await Promise.race([finished, pause(clock, pauseMs, signal)])) !== true) {
      await send({ kind: 'report', isFinal: false, tally: order.tally, told: order.takeNews() })
      listener.expect()
      pauseMs = REPORT_MS
    }
    await send({ kind: 'report', isFinal: true, tally: order.tally, told: [] })
    listener.expect()
    if (!(await listener.heardAll())) throw new Error('the end was not heard')
    channel.close()
  } catch (error) {
    channel.abort(asError(error))
    order.unlisten(replaced)
  }
  await hearing
}

/** The other end of the stream, which says for each report that it heard it, or cancels the order. */
class Listener {
  readonly #channel: AnsweringChannel
  readonly #order: RunningOrder
  readonly #clock: Clock
  readonly #gone = new AbortController()
  #unheardCount = 0
  #heardAll = Promise.withResolvers<void>()

  constructor(channel: AnsweringChannel, order: RunningOrder, clock: Clock) {
    this.#channel = channel
    this.#order = order
    this.#clock = clock
  }

  /** Fires when nothing more will be heard of it. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** A report was sent. */
  expect(): void {
    if (this.#unheardCount++ === 0) this.#heardAll = Promise.withResolvers()
  }

  /** Whether it heard all that was sent; resolves when it did, or is gone. */
  async heardAll(): Promise<boolean> {
    if (this.#unheardCount > 0) await this.#heardAll.promise
    return this.#unheardCount === 0
  }

  async hear(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const ask = await within(this.#clock, UNHEARD_MS, signal, async (inner) =>
          this.#channel.receive({ signal: inner }),
        )
        if (ask.kind === 'cancel') this.#order.cancel()
        if (ask.kind !== 'heard') return
        if (this.#unheardCount > 0 && --this.#unheardCount === 0) this.#heardAll.resolve()
      }
    } catch {
      // It has hung up, or is silent.
    } finally {
      this.#gone.abort()
      this.#heardAll.resolve()
    }
  }
}
