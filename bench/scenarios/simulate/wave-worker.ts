import { parentPort, workerData } from 'node:worker_threads'
import { simulateWave, type WaveFigures, type WaveParams } from './wave.ts'

/** What the thread of a wave says: how far it is, and at the end what it was like. */
export type WaveNews = { readonly doneShare: number } | { readonly figures: WaveFigures }

const figures = await simulateWave(workerData as WaveParams, (doneShare) => tell({ doneShare }), {})
tell({ figures })

function tell(news: WaveNews): void {
  parentPort?.postMessage(news)
}
