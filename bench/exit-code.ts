/** How `npm run bench` ends. `barMissed` only with `--strict`; `interrupted` is what shells expect after Ctrl-C. */
export const EXIT = { ok: 0, failure: 1, usage: 2, barMissed: 3, interrupted: 130 } as const
