import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { Child } from './processes.ts'

/** The command as an administrator runs it. */
export const SHOAL = fileURLToPath(new URL('../../src/shoal', import.meta.url))

/** Loading the network stack takes a second of CPU; several processes start at once on two cores. */
const START_TIMEOUT_MS = 30_000

const STATUS_TIMEOUT_MS = 5_000

/** The line that a process logs when it serves. */
const STARTED = /"msg":"started"/

/** Settings as the configuration file has them, laid over those of the harness section by section. */
export type Settings = Readonly<Record<string, unknown>>

export interface ShoalInit {
  readonly role: 'agent' | 'tracker'
  readonly name: string
  /** Folder of this process: configuration and data. */
  readonly folder: string
  readonly settings: Settings
  /** Put in front of the command line, for example to enter a network namespace. */
  readonly commandPrefix?: readonly string[]
}

/** Bytes that a process took from each kind of source for its clients. */
export interface BytesBySource {
  readonly store: number
  readonly peers: number
  readonly tracker: number
  readonly origin: number
}

interface StartedLine {
  readonly peerId: string
  readonly p2p: readonly string[]
  readonly mirror?: readonly string[]
  readonly admin: string
}

/** One agent or tracker in a process of its own, with every address chosen by the system. */
export class ShoalProcess implements AsyncDisposable {
  readonly name: string
  readonly peerId: string
  /** Multiaddrs that end in the PeerId. */
  readonly addresses: readonly string[]
  /** `http://127.0.0.1:PORT` of the mirror; a tracker has none. */
  readonly mirrorUrl: string
  readonly adminUrl: string
  readonly child: Child
  readonly #init: ShoalInit
  readonly #started: StartedLine

  private constructor(init: ShoalInit, child: Child, started: StartedLine) {
    this.#init = init
    this.#started = started
    this.name = init.name
    this.child = child
    this.peerId = started.peerId
    this.addresses = started.p2p.map((address) => withPeerId(address, started.peerId))
    this.mirrorUrl = `http://${started.mirror?.[0] ?? 'none'}`
    this.adminUrl = `http://${started.admin}`
  }

  static async start(init: ShoalInit): Promise<ShoalProcess> {
    const configFile = join(init.folder, 'config.yaml')
    await mkdir(init.folder, { recursive: true })
    await writeFile(configFile, stringify(init.settings))
    const commandLine = [...(init.commandPrefix ?? []), SHOAL, init.role, '--config', configFile]
    const [command = SHOAL, ...args] = commandLine
    const child = await Child.start({ name: init.name, command, args })
    try {
      const line = await child.waitForLine(STARTED, { timeoutMs: START_TIMEOUT_MS })
      return new ShoalProcess(init, child, JSON.parse(line) as StartedLine)
    } catch (error) {
      await child.stop()
      throw error
    }
  }

  /** Starts it once more after its end, with the data and at the addresses that it had. The caller disposes of it. */
  async startAgain(): Promise<ShoalProcess> {
    const { settings } = this.#init
    const { mirror, admin, p2p } = this.#started
    const addresses = {
      ...(mirror === undefined ? {} : { mirror: { ...(settings.mirror as Settings), listen: mirror } }),
      admin: { ...(settings.admin as Settings), listen: admin },
      p2p: { ...(settings.p2p as Settings), listen: p2p.map((address) => address.replace(/\/p2p\/.*/, '')) },
    }
    return await ShoalProcess.start({ ...this.#init, settings: { ...settings, ...addresses } })
  }

  /** The status document of the admin server. */
  async status(): Promise<{ readonly bytesBySource: BytesBySource }> {
    const answer = await fetch(`${this.adminUrl}/status`, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(STATUS_TIMEOUT_MS),
    })
    if (!answer.ok) throw new Error(`${this.name} answers ${answer.status} when asked for its status`)
    return (await answer.json()) as { readonly bytesBySource: BytesBySource }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop()
  }
}

function withPeerId(address: string, peerId: string): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`
}
