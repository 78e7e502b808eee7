import { z } from 'zod'
import { bytesBySourceSchema, prefetchProgressSchema } from './status-view.ts'
import { printable } from './terminal/index.ts'

const text = z.string().max(4096).transform(printable)

/** What an agent tells of a prefetch it was asked for, one event a line. */
export const prefetchEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('resolved'), id: text, reference: text, digest: text }),
  prefetchProgressSchema.extend({ type: z.literal('progress') }),
  prefetchProgressSchema.extend({
    type: z.literal('done'),
    seconds: z.number().nonnegative(),
    isComplete: z.boolean(),
    bytesBySource: bytesBySourceSchema,
    failures: z.array(z.object({ peer: text, name: text, reason: text })),
    missing: z.number(),
  }),
  z.object({ type: z.literal('error'), message: text }),
])

export type PrefetchEvent = z.output<typeof prefetchEventSchema>
