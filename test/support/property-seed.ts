/**
 * Loaded into each test file's process: property tests try the same examples in every run, so that a change is blamed for
 * what it did and not for what nobody had tried before. `SHOAL_TEST_SEED=NUMBER npm test -- property` tries others.
 */
const SEED = Number(process.env['SHOAL_TEST_SEED'] ?? 1)

if (process.argv[1]?.includes('/property/')) {
  const { configureGlobal } = await import('fast-check')
  configureGlobal({ seed: SEED })
}
