import { parentPort } from 'node:worker_threads'
import { TocError } from './errors.ts'
import { type FoundMembers, membersOf, type TocSection } from './toc-members.ts'

/** What the worker answers to a section: its members, or why it is not what it should be. */
export type TocAnswer = { readonly members: FoundMembers } | { readonly invalid: string }

parentPort?.on('message', (section: TocSection) => parentPort?.postMessage(answer(section)))

function answer(section: TocSection): TocAnswer {
  try {
    return { members: membersOf(section) }
  } catch (error) {
    if (error instanceof TocError) return { invalid: error.message }
    throw error
  }
}
