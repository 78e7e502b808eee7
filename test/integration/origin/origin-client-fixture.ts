import { systemClock } from '../../../src/core/index.ts'
import {
  OriginClient,
  type OriginClientComponents,
  type OriginClientInit,
  type RegistrySettings,
} from '../../../src/origin/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import type { FaultRegistry } from '../../support/fault-registry.ts'

/** Quick enough for a test to see a timeout, slow enough for a busy machine to answer in. */
const TIMEOUTS = { connectMs: 1_000, headersMs: 300, bodyIdleMs: 300 }

const RETRIES = { attempts: 4, firstDelayMs: 5, maxDelayMs: 20, maxRetryAfterMs: 2_000 }

export interface ClientUnderTest extends AsyncDisposable {
  readonly client: OriginClient
  readonly metrics: Metrics
}

/** An origin client that may ask `registry`, with settings of its own. */
export function clientOf(
  registry: FaultRegistry,
  settings: RegistrySettings = {},
  init: Partial<OriginClientInit> = {},
  components: Partial<OriginClientComponents> = {},
): ClientUnderTest {
  const metrics = new Metrics()
  const registries = new Map([[registry.host, { plainHttp: true, ...settings }]])
  const client = new OriginClient(
    { registries, timeouts: TIMEOUTS, retries: RETRIES, userAgent: 'shoal/test', ...init },
    { logger: silentLogger(), metrics, clock: systemClock, ...components },
  )
  return { client, metrics, [Symbol.asyncDispose]: async () => await client.close() }
}

/** All pieces as one buffer. */
export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = []
  for await (const piece of pieces) collected.push(piece)
  return Buffer.concat(collected)
}

/** Bytes that differ everywhere, the same in every run. */
export function noise(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  let state = 0x2545f491
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
