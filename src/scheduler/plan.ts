import { Draft } from './draft.ts'
import type { Action, PlanView } from './plan-view.ts'
import { visitWanted } from './wanted.ts'

/** What to start now: a pure function of the view. In order of urgency, each chunk goes to an agent that holds it, else to whoever has origin duty. */
export function plan(view: PlanView): Action[] {
  const draft = new Draft(view)
  if (draft.isFull) return []
  visitWanted(view, draft)
  return draft.actions()
}
