import { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

/** Where a command writes. Results go to `out`, everything about them to `err`. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Whether a person sees `out` as it is written, so that lines may be drawn over. */
  readonly isInteractive: boolean
  readonly columns: number
  readonly rows: number
  /** The text in colour where colour is shown: on a terminal, and `NO_COLOR` is not set. */
  paint(style: Style, text: string): string
}

/** Standard output and standard error of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    isInteractive: stdout.isTTY === true && process.env.TERM !== 'dumb',
    get columns() {
      return stdout.columns ?? 80
    },
    get rows() {
      return stdout.rows ?? 24
    },
    paint: (style, text) => styleText(style, text, { stream: stdout }),
  }
}
