/**
 * Loaded into each test file's process: ends one that goes on after its time. The runner's own timeout is for each test;
 * a file whose tests are over but that left a timer, socket or child behind would otherwise never end.
 */
const FILE_TIMEOUT_MS = 480_000

setTimeout(() => {
  console.error(
    `not over after ${FILE_TIMEOUT_MS / 1_000} s; still open: ${process.getActiveResourcesInfo().join(', ')}`,
  )
  process.exit(1)
}, FILE_TIMEOUT_MS).unref()
