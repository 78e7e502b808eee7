import type { Call, FromWorker } from './worker-messages.ts'

/** A method that the process which started this one can call. */
export type Method = (params: never, report: (progress: number) => void) => Promise<unknown>

/** Answers the calls of the process that started this one until that goes away, and then ends. */
export function serveCalls(methods: Readonly<Record<string, Method>>): void {
  process.on('message', (message) => void answer(methods, message as Call))
  process.on('disconnect', () => process.exit(0))
}

async function answer(methods: Readonly<Record<string, Method>>, { id, method, params }: Call): Promise<void> {
  try {
    const run = methods[method]
    if (run === undefined) throw new Error(`there is no method ${method}`)
    send({ id, result: await run(params as never, (progress) => send({ progress })) })
  } catch (error) {
    send({ id, error: error instanceof Error ? error.message : String(error) })
  }
}

function send(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}
