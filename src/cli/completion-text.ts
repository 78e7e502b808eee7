import type { StatusView } from './status-view.ts'

type Completion = StatusView['completion']

const BECAUSE: Readonly<Record<string, string>> = {
  readers: 'readers wait for bytes',
  quiet: 'readers waited a moment ago',
  pulls: 'a pull is under way',
  room: 'no room without evicting',
  failed: 'trying again later',
}

const STATES: Readonly<Record<string, string>> = { room: 'no room', failed: 'failed, again later' }

/** What is being completed in the background, in a line; nothing of an agent that completes nothing. */
export function completionLine({ mode, state, because = '', layers, done, givenUp }: Completion): string[] {
  if (mode === 'off') return []
  const waiting = BECAUSE[because] ?? 'waiting'
  const now = {
    idle: 'nothing to do',
    completing: `fetching, ${layers.length} to go`,
    waiting: `${layers.length} to go, ${waiting}`,
  }
  const ended = [`${done} done`, ...(givenUp > 0 ? [`${givenUp} given up`] : [])]
  return [`layers read in part (${mode}): ${[now[state], ...ended].join(', ')}`]
}

/** What is being done about a layer that was read in part; `undefined` when it was not, or is whole. */
export function completionOf({ layers }: Completion, digest: string): string | undefined {
  const state = layers.find((layer) => layer.digest === digest)?.state
  return state === undefined ? undefined : (STATES[state] ?? state)
}
