/**
 * One end of a transport: `end-main.ts VARIANT SIZE [ADDRESS]`, started by `EndProcess`. Without an address it serves.
 * Says `ready`, then answers commands over the channel to its parent, and leaves with it.
 */
import { Payload } from './payload.ts'
import { LANES, type PullingEnd } from './transport.ts'
import { VARIANTS, type Variant } from './variants.ts'

export type EndCommand = { readonly kind: 'cpu' | 'pull' }

export type EndReply =
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'cpu'; readonly cpuSeconds: number }
  | { readonly kind: 'pull'; readonly seconds: number }

if (import.meta.main) await main(process.argv.slice(2))

async function main([variant, sizeBytes, address]: readonly string[]): Promise<void> {
  const transport = VARIANTS[variant as Variant]
  const payload = new Payload(Number(sizeBytes))
  const pulling = address === undefined ? undefined : await transport.connect(address, payload)
  process.on('message', (command: EndCommand) => {
    // An end that fails takes its process with it, which its parent notices.
    answer(command, payload, pulling).then(send, (error: unknown) => queueMicrotask(() => fail(error)))
  })
  process.on('disconnect', () => process.exit())
  send({ kind: 'ready', address: pulling === undefined ? (await transport.serve(payload)).address : '' })
}

async function answer({ kind }: EndCommand, payload: Payload, pulling: PullingEnd | undefined): Promise<EndReply> {
  if (kind === 'cpu') return { kind, cpuSeconds: cpuSeconds() }
  if (pulling === undefined) throw new Error('the serving end was told to pull')
  return { kind, seconds: await pullAll(pulling, payload.chunkCount) }
}

/** Fetches every chunk once; each lane takes the next one when it has its last. */
async function pullAll(end: PullingEnd, chunkCount: number): Promise<number> {
  const startMs = performance.now()
  let next = 0
  const runLane = async (lane: number): Promise<void> => {
    while (next < chunkCount) await end.fetch(next++, lane)
  }
  await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane)))
  return (performance.now() - startMs) / 1000
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function send(reply: EndReply): void {
  process.send?.(reply)
}

function fail(error: unknown): never {
  throw error
}
