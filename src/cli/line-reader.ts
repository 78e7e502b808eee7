import { AdminUnreachableError } from './errors.ts'

/** Longest line taken; an event about a layer has 200 bytes. */
const MAX_LINE_CHARS = 64 * 1024

/** The lines of a UTF-8 body as they come in, without their ends and without empty ones. Throws for a line above 64 KiB. */
export async function* readLines(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines.map((line) => line.trim()).filter((line) => line !== '')
    if (rest.length > MAX_LINE_CHARS) throw new AdminUnreachableError('the agent sent a line that is too long')
  }
  const last = (rest + decoder.decode()).trim()
  if (last !== '') yield last
}
