import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../support/processes.ts'

const DEMO = fileURLToPath(new URL('../../bench/demo/main.ts', import.meta.url))

test('the demo pulls through four agents and shows where the bytes came from', { timeout: 120_000 }, async () => {
  const { code, output } = await run(process.execPath, ['--max-semi-space-size=1', DEMO], { timeoutMs: 110_000 })

  assert.equal(code, 0, output)
  assert.match(output, /every digest is right/)
  assert.equal(output.match(/^agent-\d .* %$/gm)?.length, 4, output)
})
