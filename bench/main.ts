/**
 * `npm run bench -- SCENARIO [--flags]`: the load generator. Drives real agent and tracker processes as containerd would and
 * says how long it took and what it cost the origin. `bench/README.md` says what each scenario shows and what it does not.
 */
import { processTerminal } from '../src/cli/terminal/index.ts'
import { runBench } from './program.ts'
import { scenarios } from './scenarios/index.ts'

process.exitCode = await runBench(process.argv.slice(2), { scenarios, terminal: processTerminal() })
