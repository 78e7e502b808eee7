import type { Dispatcher } from 'undici'
import { OriginBrokenError } from './errors.ts'

/** What is read of an unwanted body to keep its connection: errors and redirects fit, blobs are cut. */
const DRAIN_BYTES = 16 * 1024

/** A drain that takes longer costs more than a new connection. */
const DRAIN_MS = 500

type Body = Dispatcher.ResponseData['body']

export interface AnswerInit {
  readonly url: URL
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Body
  /** False for the answer to a HEAD, whose Content-Length is that of a body not sent. */
  readonly hasBody: boolean
  /** Makes one of our errors of what broke the body. */
  readonly translate: (error: unknown) => unknown
  readonly onBytes: (count: number) => void
}

/** The answer to one HTTP request: headers that are here and a body still to come. Whoever gets one must `close` it. */
export class Answer {
  readonly url: URL
  readonly status: number
  readonly #init: AnswerInit
  #onClose: (() => void) | undefined

  constructor(init: AnswerInit) {
    this.url = init.url
    this.status = init.status
    this.#init = init
    // A body that fails or is destroyed while nobody reads it is told to its reader or to nobody.
    init.body.on('error', () => {})
  }

  /** The value of a header; the first one of several. */
  header(name: string): string | undefined {
    return this.headerValues(name)[0]
  }

  headerValues(name: string): readonly string[] {
    const value = this.#init.headers[name]
    if (value === undefined) return []
    return typeof value === 'string' ? [value] : value
  }

  /** The number in Content-Length, or `undefined` when there is none that is one. */
  get contentLength(): number | undefined {
    const text = this.header('content-length') ?? ''
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }

  /** The pieces of the body as they come in; read once. Slow readers slow the origin down. The pieces belong to the reader. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of this.#init.body as AsyncIterable<Uint8Array>) {
        this.#init.onBytes(piece.byteLength)
        yield piece
      }
    } catch (error) {
      throw this.#init.translate(error)
    }
  }

  /** The whole body; throws OriginBrokenError when it has more than `limitBytes`. */
  async bytes(limitBytes: number): Promise<Uint8Array> {
    if ((this.contentLength ?? 0) > limitBytes) throw new OriginBrokenError(`answer has more than ${limitBytes} bytes`)
    const pieces: Uint8Array[] = []
    let sizeBytes = 0
    for await (const piece of this.pieces()) {
      sizeBytes += piece.byteLength
      if (sizeBytes > limitBytes) throw new OriginBrokenError(`answer has more than ${limitBytes} bytes`)
      pieces.push(piece)
    }
    return Buffer.concat(pieces, sizeBytes)
  }

  /** Adds what is to be given back when the answer is closed. */
  onClose(giveBack: () => void): void {
    this.#onClose = giveBack
  }

  /** Lets go of the connection, kept alive if little of the body is left, and of what came with it. Never throws. */
  async close(): Promise<void> {
    const giveBack = this.#onClose
    this.#onClose = undefined
    await this.#drain()
    giveBack?.()
  }

  async #drain(): Promise<void> {
    const { body, hasBody } = this.#init
    if (body.destroyed || body.readableEnded) return
    if (hasBody && (this.contentLength ?? 0) > DRAIN_BYTES) return void body.destroy()
    try {
      await body.dump({ limit: DRAIN_BYTES, signal: AbortSignal.timeout(DRAIN_MS) })
    } catch {
      body.destroy()
    }
  }
}
