import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The part of a node:test context that owns what a test leaves behind. */
interface Owner {
  after(tidy: () => Promise<void>): void
}

/** A stack whose contents are disposed of in reverse when the test ends, also after a failure or a timeout. */
export function testScope(test: Owner): AsyncDisposableStack {
  const scope = new AsyncDisposableStack()
  test.after(async () => await scope.disposeAsync())
  return scope
}

/** A folder that is removed with everything in it when it is disposed of. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string
}

/** Makes a folder of its own under the system's temporary folder. */
export async function tempFolder(name: string): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), `shoal-${name}-`))
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** A port of the loopback address that was free a moment ago, for programs that cannot be told port 0. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}
