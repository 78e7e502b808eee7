import { parseImageReference, parsePlatform } from '../oci/index.ts'
import { z } from 'zod'

/** As long as a value may be without filling a screen. */
const MAX_SHOWN_CHARS = 300

/** A field that names an image; `expected` is said to whoever sends something else. */
export function referenceField(expected: string) {
  return z.string(expected).refine((text) => parseImageReference(text) !== undefined, {
    error: ({ input }) => `${shown(input)} is not an image reference, such as docker.io/library/nginx:1.27`,
  })
}

/** A field that may name a platform. */
export function platformField(expected: string) {
  return z
    .string(expected)
    .refine((text) => parsePlatform(text) !== undefined, {
      error: ({ input }) => `${shown(input)} is not a platform, such as linux/arm64`,
    })
    .optional()
}

/** What was sent, cut. */
export function shown(input: unknown): string {
  return String(input).slice(0, MAX_SHOWN_CHARS)
}
