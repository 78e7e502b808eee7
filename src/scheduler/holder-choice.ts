import type { PeerState } from './peer-state.ts'
import type { PlanView } from './plan-view.ts'

/** The peer to ask for `chunk`. */
export function chooseHolder(
  view: PlanView,
  chunk: number,
  isUsable: (peer: PeerState) => boolean,
): PeerState | undefined {
  return betterHolder(
    view,
    view.agents.filter((peer) => peer.holds(chunk) && isUsable(peer)),
  )
}

/** A peer of another zone is preferred only when it is expected to deliver this many times sooner. */
const FAR_FACTOR = 4

/** The one of `holders` to ask: a near one unless it is much slower or busier than a far one. */
export function betterHolder(view: PlanView, holders: readonly PeerState[]): PeerState | undefined {
  if (!holders.some((peer) => peer.isFar)) return betterOfTwo(view, holders)
  const near = betterOfTwo(
    view,
    holders.filter((peer) => !peer.isFar),
  )
  const far = betterOfTwo(
    view,
    holders.filter((peer) => peer.isFar),
  )
  if (near === undefined || far === undefined) return near ?? far
  const { usualGuessMs } = view.settings
  return far.expectedMs(usualGuessMs) * FAR_FACTOR < near.expectedMs(usualGuessMs) ? far : near
}

/** Of two of `holders` taken at random the one expected to deliver sooner: nearly the best of all, without everybody choosing the same. */
function betterOfTwo({ random, settings }: PlanView, holders: readonly PeerState[]): PeerState | undefined {
  const first = holders[Math.floor(random() * holders.length)]
  const second = holders[Math.floor(random() * holders.length)]
  if (first === undefined || second === undefined) return undefined
  return second.expectedMs(settings.usualGuessMs) < first.expectedMs(settings.usualGuessMs) ? second : first
}
