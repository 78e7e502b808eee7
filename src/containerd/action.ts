/** What was done (or, on a dry run, would be) to one file. */
export interface ContainerdAction {
  readonly kind: 'created' | 'updated' | 'unchanged' | 'restored' | 'removed' | 'skipped'
  readonly path: string
  /** Why a file was skipped. */
  readonly reason?: string
}
