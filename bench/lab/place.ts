/** Where a process of the lab runs. */
export interface Place {
  readonly name: string
  /** IP address at which others in the lab reach it. */
  readonly address: string
  /** Put in front of a command line to run it there. */
  readonly commandPrefix: readonly string[]
  readonly isLoopback: boolean
}

/** This machine's own loopback: unshaped, shared by everybody. */
export function loopbackPlace(name: string): Place {
  return { name, address: '127.0.0.1', commandPrefix: [], isLoopback: true }
}
