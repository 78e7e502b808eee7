/** The flags of `rolling` as they come from the command line. */
export interface RollingFlags {
  readonly nodes: number
  readonly size: number
  readonly layers: number
  readonly rate?: number
  readonly originRate?: number
  readonly tracker: boolean
  readonly baseline: boolean
}
