/** How a command ends: `usage` also for a configuration that cannot be used. `interrupted` is what shells expect after Ctrl-C. */
export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
