import type { AbortOptions, Clock } from '../core/index.ts'
import type { ByteChannel } from './carrier.ts'
import { PeerClosedError } from './errors.ts'

/** A channel that can be used now. */
export interface OpenedChannel {
  readonly channel: ByteChannel
  /** Whether it went the fast way. */
  readonly isFast: boolean
  /** What is still being opened: a channel that came the fast way after all and takes the place of a slow one. Never rejects. */
  readonly faster: Promise<ByteChannel | undefined> | undefined
}

export interface LaneRaceInit {
  readonly clock: Clock
  /** How long the fast way has before the slow one is opened too. */
  readonly patienceMs: number
  /** Resolves to `undefined` as soon as that way is known to be closed; throws the signal's reason only. */
  readonly openFast: (options: AbortOptions) => Promise<ByteChannel | undefined>
  readonly openSlow: (options: AbortOptions) => Promise<ByteChannel>
}

/**
 * Opens one channel in two ways: the fast way alone -> both -> whichever is there first. A slow channel that comes second
 * is closed, a fast one is handed out later.
 */
export class LaneRace {
  readonly #init: LaneRaceInit

  constructor(init: LaneRaceInit) {
    this.#init = init
  }

  /** The first channel there is. Throws what the slow way throws; the signal also ends what is `faster`. */
  async run(options: AbortOptions): Promise<OpenedChannel> {
    options.signal?.throwIfAborted()
    const fast = this.#init.openFast(options)
    const early = await this.#withPatience(fast)
    if (early !== undefined) return { channel: early, isFast: true, faster: undefined }
    const slow = this.#init.openSlow(options)
    const fastWins = fast.then((channel) => {
      if (channel === undefined) throw new PeerClosedError('the fast way is closed')
      return { channel, isFast: true }
    })
    const slowWins = slow.then((channel) => ({ channel, isFast: false }))
    const winner = await Promise.any([fastWins, slowWins]).catch(async () => await slowWins)
    const faster = winner.isFast ? slow.then(discard, () => undefined) : fast.catch(() => undefined)
    return { ...winner, faster }
  }

  async #withPatience(fast: Promise<ByteChannel | undefined>): Promise<ByteChannel | undefined> {
    const { promise: passed, resolve } = Promise.withResolvers<undefined>()
    const timer = this.#init.clock.after(this.#init.patienceMs, () => resolve(undefined))
    try {
      return await Promise.race([fast, passed])
    } finally {
      timer.clear()
    }
  }
}

function discard(channel: ByteChannel): undefined {
  channel.close()
}
