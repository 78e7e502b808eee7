import type { AbortOptions, Clock } from '../core/index.ts'
import { type Bandwidth, BandwidthBusyError, type BandwidthClass } from '../util/index.ts'
import { withDeadline } from './deadline.ts'
import { PeerStalledError } from './errors.ts'
import type { ExchangeLimits } from './limits.ts'
import type { Urgency } from './messages.ts'
import type { SlotsBusy, UploadSlots } from './upload-slots.ts'

export interface UploadTurnComponents {
  readonly slots: UploadSlots
  /** What may be sent to peers; without one there is no limit. */
  readonly bandwidth?: Bandwidth | undefined
  readonly limits: ExchangeLimits
  readonly clock: Clock
}

export interface UploadTurnOptions extends AbortOptions {
  readonly bytes: number
  readonly urgency: Urgency
  /** Waits longer: for a chunk that was chosen for this peer. */
  readonly isPatient?: boolean
}

/** The right to send one chunk. */
export interface UploadTurn {
  /** Ends it; bandwidth that was not used is given back. */
  end(isUsed: boolean): void
}

/** As what the bytes of a want count. A pull that waited so long for one chunk that it asks for it `now` counts as lazy. */
const CLASS_OF_URGENCY: Readonly<Record<Urgency, BandwidthClass>> = {
  now: 'lazy',
  soon: 'pull',
  later: 'pull',
  idle: 'background',
}

/**
 * The longest wait of a reader's chunk, which would lose its place to a pull if it came back later, and of one that was
 * chosen for a peer. A requester takes a tracker that says nothing for 5 s for dead, so it must have heard `busy` well before.
 */
const PATIENT_WAIT_MS = 2_000

/** The shortest wait that is told: a retry costs a round trip anyway. */
const MIN_BUSY_MS = 10

/** How long a patient want is to stay away when its turn would not come in time; `undefined` when it would. */
export function tooLongFor({ bandwidth }: UploadTurnComponents, urgency: Urgency): SlotsBusy | undefined {
  const waitMs = bandwidth?.waitMs(CLASS_OF_URGENCY[urgency]) ?? 0
  return waitMs > PATIENT_WAIT_MS ? busyFor(waitMs) : undefined
}

/**
 * The right to send `bytes`, or how long to stay away. Bandwidth comes first, so that no slot is held while waiting for it.
 * Throws only the signal's reason.
 */
export async function takeUploadTurn(
  components: UploadTurnComponents,
  options: UploadTurnOptions,
): Promise<UploadTurn | SlotsBusy> {
  const { bandwidth, slots } = components
  const busy = bandwidth === undefined ? undefined : await takeBandwidth(bandwidth, components, options)
  if (busy !== undefined) return busy
  const giveBack = () => bandwidth?.refund(options.bytes, CLASS_OF_URGENCY[options.urgency])
  try {
    const slot = await slots.acquire(options)
    if ('busyMs' in slot) {
      giveBack()
      return slot
    }
    return {
      end: (isUsed) => {
        slot.release()
        if (!isUsed) giveBack()
      },
    }
  } catch (error) {
    giveBack()
    throw error
  }
}

async function takeBandwidth(
  bandwidth: Bandwidth,
  { limits, clock }: UploadTurnComponents,
  { bytes, urgency, isPatient, signal }: UploadTurnOptions,
): Promise<SlotsBusy | undefined> {
  const bandwidthClass = CLASS_OF_URGENCY[urgency]
  const timeoutMs = isPatient === true || urgency === 'now' ? PATIENT_WAIT_MS : limits.maxUploadWaitMs
  if (bandwidth.tryTake(bytes, bandwidthClass)) return undefined
  const waitMs = bandwidth.waitMs(bandwidthClass)
  if (waitMs > timeoutMs) return busyFor(waitMs)
  const late = new PeerStalledError('its turn did not come in time')
  try {
    await withDeadline({ clock, timeoutMs, signal, makeError: () => late }, async (inner) =>
      bandwidth.take(bytes, bandwidthClass, { signal: inner }),
    )
    return undefined
  } catch (error) {
    if (error === late || error instanceof BandwidthBusyError) return busyFor(bandwidth.waitMs(bandwidthClass))
    throw error
  }
}

function busyFor(waitMs: number): SlotsBusy {
  return { busyMs: Math.max(MIN_BUSY_MS, Math.ceil(waitMs)) }
}
