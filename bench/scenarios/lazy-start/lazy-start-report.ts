import { formatBytes } from '../../../src/cli/terminal/index.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, ScenarioReport } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { LazyStartLabInit } from './lazy-start-lab.ts'
import { VARIANTS, type Variant } from './starts.ts'

/** Share of a full start that a lazy one from a peer may take. */
const MAX_BY_FULL_PULL = 0.25

/** What Shoal may add to a lazy start straight from the registry. */
const MAX_BY_DIRECT = 1.1

const TITLES: Readonly<Record<Variant, string>> = {
  fullPull: 'all fetched and unpacked, from a peer',
  warm: 'lazy, from a peer',
  cold: 'lazy, cold swarm',
  direct: 'lazy, registry without limit',
  originDirect: 'lazy, origin',
}

/** Figures, table, chart and bars of runs that hold the figures of each variant under its name. */
export function reportLazyStart(init: LazyStartLabInit, measured: readonly Figures[]): ScenarioReport {
  const runs = measured.map(withRatios)
  const { medians, spread } = summarize(runs)
  const { image, ...links } = init
  return {
    params: { ...links, imageBytes: image.blobBytes, layers: image.layers.length, runs: runs.length },
    results: { ...medians, spread, runs },
    tables: [tableOf(init, medians)],
    charts: [chartOf(medians)],
    bars: barsOf(medians),
  }
}

/** Compares only what one run measured, since the machine is not the same an hour later. */
export function withRatios(run: Figures): Figures {
  const seconds = (variant: Variant): number => figureAt(run, `${variant}.seconds`)
  return {
    ...run,
    warmByFullPull: seconds('warm') / seconds('fullPull'),
    warmByDirect: seconds('warm') / seconds('direct'),
    coldByOrigin: seconds('cold') / seconds('originDirect'),
    originBlobRequests: figureAt(run, 'warm.originBlobRequests'),
    fallbacks: figureAt(run, 'warm.fallbacks') + figureAt(run, 'cold.fallbacks'),
  }
}

function barsOf(medians: Figures): Bar[] {
  const measured = (figure: string) => ({ figure, measured: figureAt(medians, figure) })
  return [
    { ...measured('warmByFullPull'), atMost: MAX_BY_FULL_PULL },
    { ...measured('warmByDirect'), atMost: MAX_BY_DIRECT },
    { ...measured('coldByOrigin'), atMost: MAX_BY_DIRECT },
    { ...measured('originBlobRequests'), equals: 0 },
    { ...measured('fallbacks'), equals: 0 },
  ]
}

function tableOf({ image, nodeBitsPerSecond, originBitsPerSecond }: LazyStartLabInit, medians: Figures): Table {
  const at = (variant: Variant, figure: string) => figureAt(medians, `${variant}.${figure}`).toFixed(2)
  const rates = `${nodeBitsPerSecond / 1e6} mbit, origin ${originBitsPerSecond / 1e6} mbit`
  return {
    title: `First line of a container, image of ${formatBytes(image.blobBytes)}, ${rates}`,
    headers: ['start', 'seconds', 'pull', 'run', 'fetched'],
    rows: VARIANTS.map((variant) => [
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
  if (variant === 'warm' || variant === 'cold') return at('bytesFromPeers') + at('bytesFromTracker')
  return at('readBytes')
}

function chartOf(medians: Figures): Chart {
  const points = (figure: string) =>
    VARIANTS.map((variant) => ({ x: variant, y: figureAt(medians, `${variant}.${figure}`) }))
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
