import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'

/** Structured logger; a module takes one and narrows it with `child({ module })`. */
export type Logger = PinoLogger

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

export interface LoggerInit {
  readonly level: LogLevel
  /** `human` is for a terminal, `json` for machines; `auto` takes `human` when standard error is a terminal. */
  readonly format: 'auto' | 'human' | 'json'
  readonly name: string
}

/** A logger on standard error (standard output belongs to command results). Secrets in the usual fields are left out. */
export async function createLogger(init: LoggerInit): Promise<Logger> {
  const human = init.format === 'human' || (init.format === 'auto' && process.stderr.isTTY === true)
  const options = {
    name: init.name,
    level: init.level,
    base: null,
    redact: { paths: ['authorization', '*.authorization', 'password', '*.password', 'token', '*.token'], censor: '…' },
  }
  if (human) {
    const { default: pretty } = await import('pino-pretty')
    const stream = pretty({
      destination: 2,
      colorize: process.stderr.isTTY === true,
      sync: true,
      ignore: 'pid,hostname,name',
    })
    return pino(options, stream as DestinationStream)
  }
  return pino(options, pino.destination({ dest: 2, sync: true }))
}

/** A logger that says nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' })
}
