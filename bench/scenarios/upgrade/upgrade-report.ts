import { formatBytes, formatDuration } from '../../../src/cli/terminal/index.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, ScenarioReport } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { UpgradeFlags } from './upgrade-flags.ts'
import type { ImageForm } from './upgrade-images.ts'

/** Share of the new version that has to come from the store of a node with the old one. */
const MIN_REUSE_RATIO = 0.4

/** Copies of the new version that may leave the registry: one, and the tables of contents that are read ahead of it. */
const MAX_ORIGIN_RATIO = 1.05

export interface UpgradeInit {
  readonly flags: UpgradeFlags
  readonly estargz: readonly Figures[]
  readonly gzip: Figures | undefined
}

/** Figures, table, chart and the bars of what was measured. */
export function reportUpgrade({ flags, estargz, gzip }: UpgradeInit): ScenarioReport {
  const { medians, spread } = summarize(estargz)
  const measured = (figure: string) => ({ figure, measured: figureAt(medians, figure) })
  const { baseline: _baseline, ...params } = flags
  const forms = { estargz: medians, ...(gzip === undefined ? {} : { gzip }) }
  const bars: Bar[] = [{ ...measured('originRatio'), atMost: MAX_ORIGIN_RATIO }]
  if (flags.image === 'medium' && flags.before === undefined)
    bars.unshift({ ...measured('reuseRatio'), atLeast: MIN_REUSE_RATIO })
  return {
    params: { ...params, runs: estargz.length },
    results: { ...medians, ...(gzip === undefined ? {} : { baseline: gzip }), failedPulls: 0, spread },
    tables: [tableOf(forms)],
    charts: [chartOf(forms)],
    bars,
  }
}

type Forms = Partial<Record<ImageForm, Figures>>

function tableOf(forms: Forms): Table {
  return {
    title: 'The new version on a node that has the old one',
    headers: ['layers', 'node', 'needed', 'from its store', 'share', 'pull', 'from origin'],
    rows: Object.entries(forms).flatMap(([form, figures]) => [
      rowOf(form, 'first', figures, 'first.', 'originBytes'),
      rowOf(form, 'second', figures, '', 'originBytesAfterFirst'),
    ]),
  }
}

function rowOf(form: string, node: string, figures: Figures, group: string, origin: string): readonly string[] {
  const at = (name: string) => figureAt(figures, `${group}${name}`)
  return [
    form,
    node,
    formatBytes(at('bytesNeeded')),
    formatBytes(at('bytesReused')),
    `${(at('reuseRatio') * 100).toFixed(1)} %`,
    formatDuration(at('seconds')),
    formatBytes(figureAt(figures, origin)),
  ]
}

function chartOf(forms: Forms): Chart {
  const points = (path: string) =>
    Object.entries(forms).map(([form, figures]) => ({ x: form, y: figureAt(figures, path) * 100 }))
  return {
    title: 'Bytes of the new version that a node with the old one has',
    kind: 'bars',
    xLabel: '',
    yLabel: 'per cent',
    series: [
      { name: 'first node', points: points('first.reuseRatio') },
      { name: 'further nodes', points: points('reuseRatio') },
    ],
  }
}
