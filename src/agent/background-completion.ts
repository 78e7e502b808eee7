import { Completer, type CompletionStatus } from '../completion/index.ts'
import type { Config } from '../config/index.ts'
import { systemClock } from '../core/index.ts'
import type { Scheduler } from '../scheduler/index.ts'
import type { Store } from '../store/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'

/** What a process says that completes nothing. */
export const NO_COMPLETION: CompletionStatus = {
  mode: 'off',
  state: 'idle',
  layers: [],
  done: 0,
  givenUp: 0,
  bytes: 0,
}

export interface CompletionParts {
  readonly scheduler: Scheduler
  readonly store: Store
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Starts to complete what clients read in part; nothing in a tracker, which has none, nor where it is off. */
export function startCompleter({ role, completion }: Config, parts: CompletionParts): Completer | undefined {
  const { mode, quietMs } = completion
  if (role === 'tracker' || mode === 'off') return undefined
  const { scheduler, store, logger, metrics } = parts
  const completer = new Completer(
    { mode, quietMs },
    {
      open: async (ref, access, options) => await scheduler.open(ref, access, options),
      activity: () => scheduler.activity,
      hasRoomFor: async (ref) => await store.hasRoomFor(ref),
      clock: systemClock,
      logger,
      metrics,
    },
  )
  scheduler.listen(completer.listener)
  completer.start()
  return completer
}
