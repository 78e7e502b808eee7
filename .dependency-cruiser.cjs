/**
 * Layer rules of the source tree, from the top down. A module imports modules of lower levels only, and those through
 * their door `index.ts`. `test/support/layer-check.ts` runs these rules and proves on a small broken tree that they bite.
 */
const levels = [
  ['cli'],
  ['agent'],
  ['mirror', 'admin', 'prefetch', 'completion', 'traces', 'tracker'],
  ['supply', 'catalog', 'layouts'],
  ['scheduler'],
  ['exchange', 'discovery', 'origin', 'store', 'containerd'],
  ['p2p', 'chunking', 'oci'],
  ['telemetry', 'config'],
  ['util'],
  ['core'],
]

/** Libraries that belong to one job, and the modules whose job it is. */
const owners = [
  {
    name: 'libp2p',
    library: '^node_modules/(libp2p|@libp2p/(?!crypto|peer-id|interface)|@chainsafe)',
    modules: ['p2p', 'exchange', 'discovery', 'catalog', 'prefetch'],
  },
  // Keys and PeerIds without the network: chunk maps are signed with them.
  {
    name: 'libp2p-keys',
    library: '^node_modules/@libp2p/(crypto|peer-id|interface)/',
    modules: ['p2p', 'exchange', 'discovery', 'catalog', 'prefetch', 'chunking'],
  },
  { name: 'undici', library: '^node_modules/undici/', modules: ['origin'] },
  { name: 'node-http', library: '^(node:)?http$', modules: ['mirror', 'admin'] },
  // The origin client asks it for the certificate authorities that Node trusts.
  { name: 'node-tls', library: '^(node:)?tls$', modules: ['exchange', 'origin'] },
  { name: 'node-sqlite', library: '^(node:)?sqlite$', modules: ['store'] },
  { name: 'pino', library: '^node_modules/pino(-pretty)?/', modules: ['telemetry'] },
  { name: 'prom-client', library: '^node_modules/prom-client/', modules: ['telemetry'] },
  { name: 'commander', library: '^node_modules/commander/', modules: ['cli'] },
]

const inside = (modules) => `^src/(${modules.join('|')})/`

/** A module sees nothing at its own level or above; what it may see is what is left. */
const downOnly = levels.flatMap((level, index) =>
  level.map((module) => ({
    name: `imports-go-down-${module}`,
    comment: `${module} imports only from the levels below it`,
    severity: 'error',
    from: { path: `^src/${module}/` },
    to: { path: `${inside(levels.slice(0, index + 1).flat())}|^src/main\\.ts$`, pathNot: `^src/${module}/` },
  })),
)

const ownLibraries = owners.map(({ name, library, modules }) => ({
  name: `only-its-owner-imports-${name}`,
  comment: `only ${modules.join(', ')} may know of ${name}`,
  severity: 'error',
  from: { path: '^src/', pathNot: inside(modules) },
  to: { path: library },
}))

module.exports = {
  forbidden: [
    ...downOnly,
    ...ownLibraries,
    {
      name: 'enter-by-the-door',
      comment: 'another module is entered by its index.ts',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', '^src/[^/]+/index\\.ts$'] },
    },
    {
      name: 'main-enters-by-the-door',
      comment: 'another module is entered by its index.ts',
      severity: 'error',
      from: { path: '^src/main\\.ts$' },
      to: { path: '^src/[^/]+/', pathNot: '^src/[^/]+/index\\.ts$' },
    },
    {
      name: 'scheduler-sees-no-doors-to-the-world',
      comment: 'the scheduler declares the interfaces it needs; no sockets, no files',
      severity: 'error',
      from: { path: '^src/scheduler/' },
      to: { path: `${inside(levels[5])}|^(node:)?(fs|fs/promises|net|tls|http|https|dgram|child_process)$` },
    },
    {
      name: 'known-module',
      comment: 'a new module needs a place in the levels above',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: inside(levels.flat()) },
    },
    {
      name: 'source-imports-no-tests',
      comment: 'what ships does not depend on what checks it',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'no-development-packages',
      comment: 'what ships imports only what `dependencies` lists',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'no-cycles', comment: 'no circular imports', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', comment: 'every import is found', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    // TypeScript 7 has no API that the cruiser could parse with; without this it would cruise nothing and be content.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '_pb\\.ts$' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.mjs', '.cjs', '.js'] },
  },
}
