import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Pause between two attempts: how exactly an outage is measured. */
const INTERVAL_MS = 5

/** Longest time during `work` in which nobody could connect to the server, in milliseconds. */
export async function longestOutageMs(url: string, work: () => Promise<unknown>): Promise<number> {
  const { hostname, port } = new URL(url)
  let isOver = false
  let longestMs = 0
  const watching = (async () => {
    let lastUpMs = performance.now()
    while (!isOver) {
      const isUp = await canConnect(hostname, Number(port))
      const nowMs = performance.now()
      longestMs = Math.max(longestMs, isUp && nowMs - lastUpMs < 2 * INTERVAL_MS ? 0 : nowMs - lastUpMs)
      if (isUp) lastUpMs = nowMs
      await sleep(INTERVAL_MS)
    }
  })()
  await work().finally(() => {
    isOver = true
  })
  await watching
  return longestMs
}

async function canConnect(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
