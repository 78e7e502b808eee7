/**
 * The `shoal` command: arguments, environment, exit codes and the terminal.
 * Promise: results on standard output, everything else on standard error; exit code 0 for done, 1 for failed, 2 for wrong
 * usage or configuration; every failure is one line that says what to do next.
 * The only importer of commander and close-with-grace; owns no state but the process itself.
 */
export { runCli } from './program.ts'
