/** Settings of one call: every asynchronous public function takes a signal and stops soon after it fires. */
export interface AbortOptions {
  readonly signal?: AbortSignal | undefined
}
