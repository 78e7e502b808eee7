/**
 * A signal that fires on Ctrl-C or SIGTERM, so that a short command can take back what it has begun. A second signal ends the
 * process at once, as without this. Dispose of it when the command is done.
 */
export function onInterrupt(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const interrupt = () => {
    release()
    controller.abort()
  }
  const release = () => {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return { signal: controller.signal, [Symbol.dispose]: release }
}
