/** The command was asked for something that cannot be: its message tells the user what to change. Ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
