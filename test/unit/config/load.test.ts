import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ConfigError, printConfig, warningsFor } from '../../../src/config/index.ts'
import { ConfigFolder, load, PEER_ID, refusal } from '../../support/config-sources.ts'

let folder: ConfigFolder
before(async () => {
  folder = await ConfigFolder.make()
})
after(async () => await folder[Symbol.asyncDispose]())

describe('loading the configuration', () => {
  it('needs nothing: every setting has a default', () => {
    const config = load({})
    assert.deepEqual(config.mirror.listen, [{ host: '127.0.0.1', port: 5000 }])
    assert.equal(config.store.quotaBytes, 50 * 2 ** 30)
    assert.equal(config.tags.staleLimitMs, 86_400_000)
    assert.equal(config.identity.file, '/var/lib/shoal/identity.key')
    assert.ok(config.registries.some((registry) => registry.namespace === 'docker.io'))
  })

  it('takes flags before variables, variables before the file, the file before defaults', () => {
    const file = folder.write('zone: from-file\nstore: { memory: 1MiB, minFree: 1GiB }\nlog: { level: warn }\n')
    const env = { SHOAL_ZONE: 'from-env', SHOAL_STORE_MEMORY: '2MiB', HOME: '/root' }
    const config = load({ file, env, flags: { 'store.memory': '3MiB' } })
    assert.equal(config.store.memoryBytes, 3 * 2 ** 20)
    assert.equal(config.zone, 'from-env')
    assert.equal(config.store.minFreeBytes, 2 ** 30)
    assert.equal(config.log.level, 'warn')
    assert.equal(config.log.format, 'auto')
  })

  it('finds the file by SHOAL_CONFIG when no flag names one', () => {
    assert.equal(load({ env: { SHOAL_CONFIG: folder.write('zone: a') } }).zone, 'a')
  })

  it('reads lists from repeated flags and from commas', () => {
    const flags = { 'mirror.listen': ['127.0.0.1:1', '[::1]:2'] }
    assert.deepEqual(
      load({ flags }).mirror.listen.map((address) => address.port),
      [1, 2],
    )
    const env = { SHOAL_MIRROR_LISTEN: '127.0.0.1:1, 127.0.0.1:2,' }
    assert.deepEqual(
      load({ env }).mirror.listen.map((address) => address.port),
      [1, 2],
    )
  })

  it('takes an empty variable as one that is not set', () => {
    assert.equal(load({ env: { SHOAL_STORE_QUOTA: '' } }).store.quotaBytes, 50 * 2 ** 30)
  })

  it('gives trackers defaults of their own, which anything written overrides', () => {
    assert.equal(load({ role: 'tracker' }).exchange.uploadSlots, 8)
    assert.equal(load({ role: 'tracker', env: { SHOAL_EXCHANGE_UPLOAD_SLOTS: '4' } }).exchange.uploadSlots, 4)
    const file = folder.write('exchange: { uploadSlots: 5 }')
    assert.equal(load({ role: 'tracker', file }).exchange.uploadSlots, 5)
  })

  it('takes the port for chunks as an address, or none', () => {
    assert.deepEqual(load({}).exchange.listen, { host: '0.0.0.0', port: 5002 })
    assert.equal(load({ env: { SHOAL_EXCHANGE_LISTEN: 'off' } }).exchange.listen, undefined)
    assert.match(
      refusal({ flags: { 'exchange.listen': 'on' } }).join(),
      /such as 0\.0\.0\.0:5002 or \[::\]:5002, or off/,
    )
    assert.equal(load({ file: folder.write('exchange: { carrier: libp2p }') }).exchange.carrier, 'libp2p')
  })

  it('counts a share of the disk that holds the data folder', () => {
    assert.equal(load({ flags: { 'store.quota': '12.5%' } }).store.quotaBytes, 125_000)
  })

  it('joins the addresses of a tracker under its PeerId', () => {
    const addresses = ['1', '2'].map((host) => `/ip4/10.0.0.${host}/tcp/5001/p2p/${PEER_ID}`)
    assert.deepEqual(load({ flags: { trackers: addresses } }).trackers, [{ id: PEER_ID, addresses }])
  })

  it('serves only the registries that are written, with defaults for what is left out', () => {
    const file = folder.write(
      'registries:\n  quay.io:\n  registry.example:5000: { url: "http://10.0.0.9:5000/base/" }\n',
    )
    const [quay, own, ...others] = load({ file }).registries
    assert.equal(quay?.namespace, 'quay.io')
    assert.equal(quay?.maxConcurrency, 8)
    assert.equal(own?.url, 'http://10.0.0.9:5000/base')
    assert.deepEqual(others, [])
  })

  it('takes a section with nothing in it for its defaults', () => {
    assert.equal(load({ file: folder.write('store:\nlog:\n') }).store.memoryBytes, 64 * 2 ** 20)
  })
})

describe('refusing a configuration', () => {
  it('names every problem with path, place and reason', () => {
    const file = folder.write('mirror:\n  listen: ["127.0.0.1:5000", "nowhere"]\nstore:\n  quota: lots\n')
    assert.deepEqual(refusal({ file, flags: { 'tags.ttl': '30' }, env: { SHOAL_LOG_LEVEL: 'loud' } }), [
      'store.quota (shoal.yaml:4): expected a size such as 50GiB or a share of the disk such as 10%, got "lots"',
      'mirror.listen[1] (shoal.yaml:2): expected an address such as 127.0.0.1:5000 or [::1]:5000, got "nowhere"',
      'tags.ttl (--tags-ttl): expected a duration with its unit such as 30s, 5m or 200ms, got "30"',
      'log.level (SHOAL_LOG_LEVEL): expected one of fatal, error, warn, info, debug, trace, silent, got "loud"',
    ])
  })

  it('hints at the name that was meant', () => {
    const file = folder.write('store:\n  min_free: 1GiB\nregistries:\n  quay.io: { urls: "https://x" }\nmirrors: {}\n')
    assert.deepEqual(refusal({ file }), [
      'store.min_free (shoal.yaml:2): no such setting; did you mean minFree?',
      'registries["quay.io"].urls (shoal.yaml:4): no such setting; did you mean url?',
      'mirrors (shoal.yaml:5): no such setting; did you mean mirror?',
    ])
    assert.deepEqual(refusal({ env: { SHOAL_ZOEN: 'a' } }), ['SHOAL_ZOEN: no such setting; did you mean SHOAL_ZONE?'])
  })

  it('gives no hint when nothing is near', () => {
    assert.deepEqual(refusal({ file: folder.write('frobnicate: 1') }), ['frobnicate (shoal.yaml:1): no such setting'])
  })

  it('ignores the variables that Kubernetes makes of Services', () => {
    const env = { SHOAL_TRACKER_SERVICE_HOST: '10.0.0.1', SHOAL_TRACKER_PORT_5001_TCP_ADDR: 'x', SHOAL_PORT: 'tcp://x' }
    assert.deepEqual(refusal({ env }), [])
  })

  it('never repeats the cluster key and takes it from the environment only', () => {
    const file = folder.write('cluster: { key: hunter2 }')
    assert.deepEqual(refusal({ file }), [
      'cluster.key (shoal.yaml:1): a secret does not belong in this file; set SHOAL_CLUSTER_KEY instead',
    ])
    assert.equal(load({ env: { SHOAL_CLUSTER_KEY: 'hunter2' } }).cluster.key, 'hunter2')
    const printed = printConfig({ role: 'agent', env: { SHOAL_CLUSTER_KEY: 'hunter2' }, flags: {} })
    assert.match(printed, /key: \(hidden\) # SHOAL_CLUSTER_KEY/)
    assert.doesNotMatch(printed, /hunter2/)
  })

  it('says on which line a file is not YAML', () => {
    assert.match(refusal({ file: folder.write('a: 1\nb: [\n') }).join(), /shoal\.yaml:\d: /)
    assert.match(refusal({ file: folder.write('zone: a\nzone: b\n') }).join(), /shoal\.yaml:2: .*unique/)
  })

  it('refuses files that are missing, too large or no settings at all', () => {
    assert.match(refusal({ file: '/nonexistent/shoal.yaml' }).join(), /cannot be read: ENOENT/)
    assert.match(refusal({ file: folder.write(`zone: "${'x'.repeat(1024 * 1024)}"`) }).join(), /larger than 1 MiB/)
    assert.match(refusal({ file: folder.write('- a\n- b\n') }).join(), /expected settings by name/)
  })

  it('survives YAML made to be expensive', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x]\n${Array.from(
      'bcdefgh',
      (name, index) =>
        `${name}: &${name} [${Array(8)
          .fill(`*${String.fromCharCode(97 + index)}`)
          .join()}]`,
    ).join('\n')}`
    assert.ok(refusal({ file: folder.write(bomb) }).length > 0)
    assert.ok(refusal({ file: folder.write('['.repeat(100_000)) }).length > 0)
    assert.ok(refusal({ file: folder.write('__proto__: { polluted: 1 }\nconstructor: 1\n') }).length > 0)
    assert.equal(Reflect.get({}, 'polluted'), undefined)
  })

  it('pins trackers and refuses credentials in URLs', () => {
    assert.match(refusal({ flags: { trackers: '/ip4/10.0.0.1/tcp/5001' } }).join(), /ends with \/p2p\/<PeerId>/)
    const file = folder.write('registries: { "a.example": { url: "https://user:pass@a.example" } }')
    assert.match(refusal({ file }).join(), /without credentials/)
  })

  it('sees what does not go together', () => {
    const file = folder.write(
      'mirror: { listen: ["127.0.0.1:5080"], defaultNamespace: quai.io }\nregistries:\n  quay.io: { username: me }\n',
    )
    assert.deepEqual(refusal({ file }), [
      'mirror.defaultNamespace (shoal.yaml:1): quai.io is not among the registries; did you mean quay.io?',
      'registries["quay.io"].username (shoal.yaml:3): needs passwordFile beside it',
      'admin.listen (default): 127.0.0.1:5080 is already listened on',
    ])
  })

  it('is an error that callers can take apart', () => {
    assert.throws(
      () => load({ flags: { zoned: 'x' } }),
      (error) => error instanceof ConfigError && error.problems[0]?.source === 'zoned' && !error.retryable,
    )
  })
})

describe('what is said besides', () => {
  it('warns of a mirror and an admin server that the network can reach', () => {
    assert.deepEqual(warningsFor(load({})), [])
    const open = load({ flags: { 'mirror.listen': '0.0.0.0:5000', 'admin.listen': '0.0.0.0:5080' } })
    assert.equal(warningsFor(open).length, 2)
  })

  it('prints what is in force in a form that can be loaded again', () => {
    const flags = { zone: 'z1', 'store.quota': '10%', 'mirror.listen': ['[::1]:1', '127.0.0.1:2'] }
    const printed = printConfig({ role: 'agent', env: {}, flags })
    assert.match(printed, /zone: z1 # --zone/)
    assert.deepEqual(load({ file: folder.write(printed) }), load({ flags }))
  })
})
