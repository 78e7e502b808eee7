import type { z } from 'zod'
import { type AbortOptions, ShoalError } from '../core/index.ts'
import { AdminRefusedError, AdminUnreachableError, UsageError } from './errors.ts'
import { readLines } from './line-reader.ts'
import { type PrefetchEvent, prefetchEventSchema } from './prefetch-event.ts'
import { adminErrorSchema, type PullEvent, pullEventSchema } from './pull-event.ts'
import { type LimitsView, limitsViewSchema, type StatusView, statusViewSchema } from './status-view.ts'
import { printable } from './terminal/index.ts'

/** Where an agent's admin server listens unless it is told otherwise. */
export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:5080'

/** An agent that is alive answers in milliseconds; one that is starved should still be heard. */
const STATUS_TIMEOUT_MS = 5_000

/** A pull with nothing to tell for this long is stuck; agents give up on a silent origin much earlier. */
const PULL_SILENCE_MS = 120_000

/** A status with ten thousand layers has 2 MB. */
const MAX_STATUS_BYTES = 16 * 1024 * 1024

/** Longest error text shown. */
const MAX_ERROR_CHARS = 500

/** The admin server of one agent or tracker, as the commands use it. */
export class AdminClient {
  readonly #url: string

  /** Throws a UsageError when `url` is none. */
  constructor(url: string) {
    const parsed = URL.parse(url)
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
      throw new UsageError(`${JSON.stringify(url)} is not the URL of an agent, such as ${DEFAULT_ADMIN_URL}`)
    }
    this.#url = parsed.href.replace(/\/+$/, '')
  }

  /** What the agent says of itself now. */
  async status(options: AbortOptions = {}): Promise<StatusView> {
    return await this.#document('/status', {}, statusViewSchema, options)
  }

  /** The bandwidth limits in force. */
  async limits(options: AbortOptions = {}): Promise<LimitsView> {
    return await this.#document('/limits', {}, limitsViewSchema, options)
  }

  /** Changes the limits that `change` names; gives those in force then. */
  async changeLimits(change: object, options: AbortOptions = {}): Promise<LimitsView> {
    const headers = { 'content-type': 'application/json', 'x-shoal-admin': '1' }
    const init = { method: 'PUT', headers, body: JSON.stringify(change) }
    return await this.#document('/limits', init, limitsViewSchema, options)
  }

  /** Asks the agent to fetch an image into its store; yields what it tells until it is done or has failed. */
  pull(reference: string, platform: string | undefined, options: AbortOptions = {}): AsyncGenerator<PullEvent> {
    const body = platform === undefined ? { reference } : { reference, platform }
    return this.#events('/pull', body, pullEventSchema, options)
  }

  /** Asks it to have other agents do so as well. */
  prefetch(request: object, options: AbortOptions = {}): AsyncGenerator<PrefetchEvent> {
    return this.#events('/prefetch', request, prefetchEventSchema, options)
  }

  async *#events<T extends z.ZodType>(
    path: string,
    body: object,
    schema: T,
    { signal }: AbortOptions,
  ): AsyncGenerator<z.output<T>> {
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(), PULL_SILENCE_MS)
    const headers = { 'content-type': 'application/json', 'x-shoal-admin': '1', accept: 'application/x-ndjson' }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    try {
      const response = await this.#translated(signal, async () => await this.#fetch(path, init, signal, silence.signal))
      const lines = readLines(response.body ?? [])
      for (;;) {
        const line = await this.#translated(signal, async () => await lines.next())
        if (line.done === true) return
        timer.refresh()
        const event = schema.safeParse(parseJson(line.value))
        if (event.success) yield event.data
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async #document<T extends z.ZodType>(
    path: string,
    init: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> },
    schema: T,
    { signal }: AbortOptions,
  ): Promise<z.output<T>> {
    const deadline = AbortSignal.timeout(STATUS_TIMEOUT_MS)
    const withAccept = { ...init, headers: { ...init.headers, accept: 'application/json' } }
    const text = await this.#translated(
      signal,
      async () => await readText(await this.#fetch(path, withAccept, signal, deadline)),
    )
    const view = schema.safeParse(parseJson(text))
    if (view.success) return view.data
    const where = view.error.issues[0]?.path.join('.') ?? ''
    throw new AdminUnreachableError(
      `${this.#url} answers, but not as an agent of this version does (${where || 'no JSON'})`,
    )
  }

  async #fetch(
    path: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
    deadline: AbortSignal,
  ): Promise<Response> {
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
    const response = await fetch(this.#url + path, { ...init, redirect: 'error', signal: either })
    if (response.ok) return response
    throw new AdminRefusedError(`${this.#url}${path} answered ${response.status}: ${await errorText(response)}`)
  }

  /** An interruption by the user stays one; whatever else `fetch` throws means that the agent is not there, silent or gone. */
  async #translated<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (signal?.aborted === true || error instanceof ShoalError) throw error
      const isLate = error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
      throw new AdminUnreachableError(
        isLate ? `the agent at ${this.#url} is silent` : `no agent answers at ${this.#url}`,
        error,
      )
    }
  }
}

async function errorText(response: Response): Promise<string> {
  const text = await readText(response)
  const error = adminErrorSchema.safeParse(parseJson(text))
  return (error.success ? error.data.message : printable(text.trim())).slice(0, MAX_ERROR_CHARS) || response.statusText
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    if (text.length > MAX_STATUS_BYTES) throw new AdminUnreachableError('the answer is larger than any status')
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
