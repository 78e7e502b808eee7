/** What can be measured. One file or folder for each scenario. */
import { bulkScenario } from './bulk/bulk-scenario.ts'
import { churnScenario } from './churn/churn-scenario.ts'
import { coldWaveScenario } from './cold-wave/cold-wave-scenario.ts'
import { footprintScenario } from './footprint/footprint-scenario.ts'
import { lazyScenario } from './lazy/lazy-scenario.ts'
import { lazyStartScenario } from './lazy-start/lazy-start-scenario.ts'
import type { Scenario } from '../scenario.ts'
import { rollingScenario } from './rolling/rolling-scenario.ts'
import { simulateScenario } from './simulate/simulate-scenario.ts'
import { upgradeScenario } from './upgrade/upgrade-scenario.ts'
import { warmScenario } from './warm/warm-scenario.ts'

export const scenarios: readonly Scenario[] = [
  coldWaveScenario,
  rollingScenario,
  churnScenario,
  warmScenario,
  lazyScenario,
  upgradeScenario,
  lazyStartScenario,
  bulkScenario,
  footprintScenario,
  simulateScenario,
]
