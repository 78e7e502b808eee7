import { formatBytes } from '../../../src/cli/terminal/index.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, ScenarioReport } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { LazyStartLabInit } from './lazy-start-lab.ts'
import type { ReadBack } from './read-back.ts'
import type { Variant } from './starts.ts'

/** Share of a full start that a lazy one from a peer may take. */
const MAX_BY_FULL_PULL = 0.25

/** What Shoal may add to a lazy start straight from the registry. */
const MAX_BY_DIRECT = 1.1

const TITLES: Readonly<Record<Variant, string>> = {
  fullPull: 'all fetched and unpacked, from a peer',
  warm: 'lazy, from a peer',
  traced: 'the same, started elsewhere before',
  cold: 'lazy, cold swarm',
  direct: 'lazy, registry without limit',
  originDirect: 'lazy, origin',
}

/** Figures, table, chart and bars of runs that hold the figures of each of `variants` under its name. */
export function reportLazyStart(
  init: LazyStartLabInit,
  variants: readonly Variant[],
  measured: readonly Figures[],
  readBack?: ReadBack,
): ScenarioReport {
  const runs = measured.map(withRatios)
  const { medians, spread } = summarize(runs)
  const { image, ...links } = init
  return {
    params: { ...links, imageBytes: image.blobBytes, layers: image.layers.length, starts: variants, runs: runs.length },
    results: { ...medians, spread, runs, ...readBackFigures(readBack) },
    tables: [tableOf(init, variants, medians)],
    charts: [chartOf(variants, medians)],
    bars: [...barsOf(medians), ...readBackBars(readBack)],
  }
}

/** Compares what one run measured, since the machine is not the same an hour later; leaves out what was not. */
export function withRatios(run: Figures): Figures {
  const seconds = (variant: Variant): number => figureAt(run, `${variant}.seconds`)
  const ratios = {
    warmByFullPull: seconds('warm') / seconds('fullPull'),
    warmByDirect: seconds('warm') / seconds('direct'),
    tracedByDirect: seconds('traced') / seconds('direct'),
    coldByOrigin: seconds('cold') / seconds('originDirect'),
    originBlobRequests: figureAt(run, 'warm.originBlobRequests'),
    fallbacks: sumOf(['warm', 'traced', 'cold'].map((variant) => figureAt(run, `${variant}.fallbacks`))),
  }
  return { ...run, ...Object.fromEntries(Object.entries(ratios).filter(([, figure]) => !Number.isNaN(figure))) }
}

/** Of those that were measured; `NaN` when none was. */
function sumOf(figures: readonly number[]): number {
  const known = figures.filter((figure) => !Number.isNaN(figure))
  return known.length === 0 ? Number.NaN : known.reduce((sum, figure) => sum + figure, 0)
}

function readBackFigures(readBack: ReadBack | undefined) {
  if (readBack === undefined) return {}
  const { figures, failures } = readBack
  return { readBack: { ...figures, failures: failures.length, reasons: failures }, failedPulls: failures.length }
}

function readBackBars(readBack: ReadBack | undefined): readonly Bar[] {
  if (readBack === undefined) return []
  return [{ figure: 'readBack.failures', equals: 0, measured: readBack.failures.length }]
}

function barsOf(medians: Figures): Bar[] {
  const measured = (figure: string) => ({ figure, measured: figureAt(medians, figure) })
  const bars = [
    { ...measured('warmByFullPull'), atMost: MAX_BY_FULL_PULL },
    { ...measured('warmByDirect'), atMost: MAX_BY_DIRECT },
    { ...measured('coldByOrigin'), atMost: MAX_BY_DIRECT },
    { ...measured('originBlobRequests'), equals: 0 },
    { ...measured('fallbacks'), equals: 0 },
  ]
  return bars.filter(({ figure }) => figure in medians)
}

function tableOf(
  { image, nodeBitsPerSecond, originBitsPerSecond }: LazyStartLabInit,
  variants: readonly Variant[],
  medians: Figures,
): Table {
  const at = (variant: Variant, figure: string) => figureAt(medians, `${variant}.${figure}`).toFixed(2)
  const rates = `${nodeBitsPerSecond / 1e6} mbit, origin ${originBitsPerSecond / 1e6} mbit`
  return {
    title: `First line of a container, image of ${formatBytes(image.blobBytes)}, ${rates}`,
    headers: ['start', 'seconds', 'pull', 'run', 'fetched'],
    rows: variants.map((variant) => [
      TITLES[variant],
      at(variant, 'seconds'),
      at(variant, 'pullSeconds'),
      at(variant, 'runSeconds'),
      formatBytes(fetchedBytes(variant, medians, image.blobBytes)),
    ]),
  }
}

function fetchedBytes(variant: Variant, medians: Figures, imageBytes: number): number {
  const at = (figure: string) => figureAt(medians, `${variant}.${figure}`)
  if (variant === 'fullPull') return imageBytes
  if (variant === 'warm' || variant === 'traced' || variant === 'cold')
    return at('bytesFromPeers') + at('bytesFromTracker')
  return at('readBytes')
}

function chartOf(variants: readonly Variant[], medians: Figures): Chart {
  const points = (figure: string) =>
    variants.map((variant) => ({ x: variant, y: figureAt(medians, `${variant}.${figure}`) }))
  return {
    title: 'From the pull to the first line',
    kind: 'bars',
    xLabel: '',
    yLabel: 'seconds',
    series: [
      { name: 'pull', points: points('pullSeconds') },
      { name: 'run', points: points('runSeconds') },
    ],
  }
}
