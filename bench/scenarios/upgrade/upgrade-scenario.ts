import type { Scenario, ScenarioContext, ScenarioReport } from '../../scenario.ts'
import type { Figures } from '../run-figures.ts'
import { measureUpgrade } from './upgrade.ts'
import { checkFlags, type UpgradeFlags, upgradeFlags } from './upgrade-flags.ts'
import { upgradeImages } from './upgrade-images.ts'
import { reportUpgrade } from './upgrade-report.ts'

/** An image is rebuilt after a security update, and nodes that have the old version pull the new one. */
export const upgradeScenario: Scenario = {
  name: 'upgrade',
  summary: 'Nodes with an image pull it anew after a security update: what comes from their own store.',
  flags: upgradeFlags,
  examples: [
    'upgrade --runs 1   (as root on Debian: builds the images, which takes some minutes)',
    'upgrade --before old/ --after new/   (OCI layouts)',
  ],
  async run(given, context): Promise<ScenarioReport> {
    const flags = given as unknown as UpgradeFlags
    checkFlags(flags)
    return await measure(flags, context)
  },
}

async function measure(flags: UpgradeFlags, context: ScenarioContext): Promise<ScenarioReport> {
  context.progress('building or finding the images')
  const { estargz: versions, gzip: before } = await upgradeImages(flags)
  if (versions === undefined) throw new Error('there is always a converted form')
  const steps = context.runs + 1
  const estargz: Figures[] = []
  for (let run = 1; run <= context.runs; run++) {
    context.signal.throwIfAborted()
    context.progress(`upgrade ${run} of ${context.runs}`, (run - 1) / steps)
    estargz.push(await measureUpgrade(versions))
  }
  context.progress('the same as plain gzip', context.runs / steps)
  const gzip = flags.baseline && before !== undefined ? await measureUpgrade(before) : undefined
  return reportUpgrade({ flags, estargz, gzip })
}
