import { EXIT } from './exit-code.ts'

/**
 * A signal that fires on Ctrl-C or SIGTERM, so that a scenario can take back what it has begun. A second one ends the
 * process at once; its exit hooks still run. Dispose of it when the command is done.
 */
export function interruption(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(new Error('interrupted'))
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, interrupt)
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of signals) process.off(name, interrupt)
    },
  }
}
