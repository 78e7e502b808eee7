import { z } from 'zod'
import { bytesBySourceSchema } from './status-view.ts'
import { printable } from './terminal/index.ts'

const text = z.string().max(4096).transform(printable)

const bytes = z.number().nonnegative()

/** How the admin server says why it refuses a request. */
export const adminErrorSchema = z.object({ message: text })

/** What an agent tells of a pull it was asked for, one event a line. */
export const pullEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('resolved'), reference: text, digest: text, layers: z.number(), sizeBytes: bytes }),
  z.object({ type: z.literal('layer'), digest: text, sizeBytes: bytes, heldBytes: bytes, isComplete: z.boolean() }),
  z.object({ type: z.literal('done'), seconds: z.number().nonnegative(), bytesBySource: bytesBySourceSchema }),
  z.object({ type: z.literal('error'), message: text }),
])

export type PullEvent = z.output<typeof pullEventSchema>
