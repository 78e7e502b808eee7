import { choiceOf } from '../../flag-values.ts'
import type { ScenarioFlag } from '../../scenario.ts'
import { UsageError } from '../../usage-error.ts'
import type { ImageSize } from './debian-recipes.ts'

/** The flags of `upgrade` as they come from the command line. */
export interface UpgradeFlags {
  readonly image: ImageSize
  /** Folders of OCI layouts. */
  readonly before?: string
  readonly after?: string
  readonly baseline: boolean
}

export const upgradeFlags: readonly ScenarioFlag[] = [
  {
    flags: '--image <size>',
    description: 'small or medium: an image of Debian packages, built once',
    defaultValue: 'medium',
    parse: choiceOf('small', 'medium'),
  },
  { flags: '--before <folder>', description: 'instead: the old image in an OCI layout, in gzip or as eStargz' },
  { flags: '--after <folder>', description: 'and the new one' },
  { flags: '--no-baseline', description: 'not with the layers as they were before the conversion' },
]

/** Refuses flags that contradict each other. */
export function checkFlags({ before, after }: UpgradeFlags): void {
  if ((before === undefined) !== (after === undefined)) throw new UsageError('--before and --after go together')
}
