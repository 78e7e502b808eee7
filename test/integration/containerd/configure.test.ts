import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import {
  type ConfigureInit,
  ContainerdEditedError,
  ContainerdFilesError,
  ContainerdRequestError,
  configureContainerd,
  restoreContainerd,
} from '../../../src/containerd/index.ts'
import { CertsDir } from '../../support/certs-dir.ts'

const MIRROR = 'http://127.0.0.1:5000'

const USERS = `# kept by hand
server = "https://registry-1.docker.io"

[host."https://mirror.example"]
  capabilities = ["pull"]
  [host."https://mirror.example".header]
    x-team = ["a", "b"]
`

/** The tables of a TOML text as ordinary objects. */
function parse(text: string): Record<string, unknown> {
  return JSON.parse(JSON.stringify(parseToml(text)))
}

async function configure(
  certsDir: CertsDir,
  init: Partial<ConfigureInit> = {},
  signal?: AbortSignal,
): Promise<string[]> {
  const actions = await configureContainerd({ certsDir: certsDir.path, mirrorUrl: MIRROR, ...init }, { signal })
  return actions.map(({ kind, path }) => `${kind} ${path.slice(certsDir.path.length + 1)}`)
}

async function restore(certsDir: CertsDir, isForced = false): Promise<string[]> {
  const actions = await restoreContainerd({ certsDir: certsDir.path, isForced })
  return actions.map(({ kind, path }) => `${kind} ${path.slice(certsDir.path.length + 1)}`)
}

describe('configuring containerd', () => {
  it('covers every registry with one file where nothing is configured', async () => {
    await using certsDir = await CertsDir.make()
    assert.deepEqual(await configure(certsDir), ['created _default/hosts.toml'])
    assert.deepEqual(parse(await certsDir.read('_default/hosts.toml')), {
      host: { [MIRROR]: { capabilities: ['pull', 'resolve'], dial_timeout: '200ms' } },
    })
  })

  it('keeps what a registry has behind the mirror', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    assert.deepEqual(await configure(certsDir), ['created _default/hosts.toml', 'updated docker.io/hosts.toml'])
    const table = parse(await certsDir.read('docker.io/hosts.toml'))
    assert.equal(table.server, 'https://registry-1.docker.io')
    assert.deepEqual(Object.entries(table.host ?? {}), [
      [MIRROR, { capabilities: ['pull', 'resolve'], dial_timeout: '200ms', header: { 'x-shoal-ns': 'docker.io' } }],
      ['https://mirror.example', { capabilities: ['pull'], header: { 'x-team': ['a', 'b'] } }],
    ])
  })

  it('writes table headers, which containerd needs to see the order of hosts', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    await configure(certsDir)
    const headers = (await certsDir.read('docker.io/hosts.toml')).split('\n').filter((line) => line.startsWith('['))
    assert.deepEqual(headers, [
      `[host."${MIRROR}"]`,
      `[host."${MIRROR}".header]`,
      '[host."https://mirror.example"]',
      '[host."https://mirror.example".header]',
    ])
  })

  it('names the certificates that containerd no longer looks for once there is a hosts.toml', async () => {
    await using certsDir = await CertsDir.make({
      'own.example_5000_/ca.crt': 'pem',
      'own.example_5000_/me.cert': 'pem',
      'own.example_5000_/me.key': 'pem',
      'own.example_5000_/both.cert': 'pem',
    })
    await configure(certsDir)
    const { ca, client } = parse(await certsDir.read('own.example_5000_/hosts.toml'))
    assert.deepEqual({ ca, client }, { ca: ['ca.crt'], client: ['both.cert', ['me.cert', 'me.key']] })
  })

  it('uses the folder that is there for a registry with a port, in either spelling', async () => {
    await using certsDir = await CertsDir.make({ 'a.example:5000/': '', 'b.example_5000_/': '' })
    const namespaces = ['a.example:5000', 'b.example:5000', 'c.example:5000']
    assert.deepEqual(await configure(certsDir, { namespaces }), [
      'created a.example:5000/hosts.toml',
      'created b.example_5000_/hosts.toml',
      'created c.example_5000_/hosts.toml',
    ])
    assert.match(await certsDir.read('c.example_5000_/hosts.toml'), /x-shoal-ns = "c\.example:5000"/)
  })

  it('changes nothing when done again', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    await configure(certsDir)
    const first = await certsDir.snapshot()
    assert.deepEqual(await configure(certsDir), ['unchanged _default/hosts.toml', 'unchanged docker.io/hosts.toml'])
    assert.deepEqual(await certsDir.snapshot(), first)
  })

  it('moves to another address without losing what was there first', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    const before = await certsDir.snapshot()
    await configure(certsDir)
    await configure(certsDir, { mirrorUrl: 'http://127.0.0.1:5999' })
    assert.doesNotMatch(await certsDir.read('docker.io/hosts.toml'), /:5000/)
    await restore(certsDir)
    assert.deepEqual(await certsDir.snapshot(), before)
  })

  it('says what it would do and does not do it', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    const before = await certsDir.snapshot()
    assert.deepEqual(await configure(certsDir, { isDryRun: true }), [
      'created _default/hosts.toml',
      'updated docker.io/hosts.toml',
    ])
    assert.deepEqual(await certsDir.snapshot(), before)
  })

  it('leaves alone what containerd cannot read and folders of no registry', async () => {
    await using certsDir = await CertsDir.make({
      'broken.example/hosts.toml': 'server = = 1',
      'strange name/hosts.toml': USERS,
      'folder.example/hosts.toml/': '',
      '.hidden/': '',
    })
    assert.deepEqual(await configure(certsDir), [
      'created _default/hosts.toml',
      'skipped broken.example/hosts.toml',
      'skipped folder.example/hosts.toml',
    ])
  })

  it('leaves alone a file of ours that was edited, unless forced', async () => {
    await using certsDir = await CertsDir.make()
    await configure(certsDir)
    const edited = `${await certsDir.read('_default/hosts.toml')}# mine\n`
    await certsDir.put({ '_default/hosts.toml': edited })
    assert.deepEqual(await configure(certsDir), ['skipped _default/hosts.toml'])
    assert.equal(await certsDir.read('_default/hosts.toml'), edited)
    assert.deepEqual(await configure(certsDir, { isForced: true }), ['updated _default/hosts.toml'])
  })

  it('takes a file that somebody put in place of ours for the new original', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': 'server = "https://old"\n' })
    await configure(certsDir)
    await certsDir.put({ 'docker.io/hosts.toml': USERS })
    assert.deepEqual(await configure(certsDir), ['unchanged _default/hosts.toml', 'updated docker.io/hosts.toml'])
    await restore(certsDir)
    assert.equal(await certsDir.read('docker.io/hosts.toml'), USERS)
  })

  it('rebuilds its record when that was removed, from what is not ours in the files', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    await configure(certsDir)
    await rm(join(certsDir.path, '_shoal-backup'), { recursive: true })
    assert.deepEqual(await configure(certsDir), ['unchanged _default/hosts.toml', 'unchanged docker.io/hosts.toml'])
    await restore(certsDir)
    assert.deepEqual(parse(await certsDir.read('docker.io/hosts.toml')), parse(USERS))
    await assert.rejects(certsDir.read('_default/hosts.toml'), { code: 'ENOENT' })
  })

  it('refuses a mirror that is no plain address and names that are no registry', async () => {
    await using certsDir = await CertsDir.make()
    for (const mirrorUrl of ['127.0.0.1:5000', 'ftp://a', 'http://a/v2', 'http://u:p@a']) {
      await assert.rejects(configure(certsDir, { mirrorUrl }), ContainerdRequestError)
    }
    await assert.rejects(configure(certsDir, { namespaces: ['../etc'] }), ContainerdRequestError)
  })
})

describe('all or nothing', () => {
  it('takes everything back when one file cannot be written', async () => {
    await using certsDir = await CertsDir.make({
      'docker.io/hosts.toml': USERS,
      'zz.example': 'a file where a folder is needed',
    })
    const before = await certsDir.snapshot()
    await assert.rejects(configure(certsDir, { namespaces: ['_default', 'zz.example'] }), ContainerdFilesError)
    assert.deepEqual(await certsDir.snapshot(), before)
  })

  it('takes everything back, folders included, when interrupted at any point', async () => {
    let isDone = false
    for (let steps = 0; !isDone; steps++) {
      await using certsDir = await CertsDir.make(steps % 2 === 0 ? { 'docker.io/hosts.toml': USERS } : {})
      const before = await certsDir.snapshot()
      try {
        await configure(certsDir, { namespaces: ['_default', 'quay.io'] }, abortAfter(steps))
        isDone = true
        assert.ok(steps > 4, 'the signal is looked at on the way')
      } catch (error) {
        assert.equal((error as Error).name, 'AbortError')
        assert.deepEqual(await certsDir.snapshot(), before)
      }
    }
  })

  it('never loses an edit that is made meanwhile, whenever that is', async () => {
    let isDone = false
    for (let steps = 0; !isDone; steps++) {
      await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
      const path = join(certsDir.path, 'docker.io/hosts.toml')
      const signal = signalWatchedBy((look) => {
        if (look === steps) writeFileSync(path, '# edited meanwhile\n')
        isDone = look < steps
      })
      try {
        await configure(certsDir, {}, signal)
      } catch (error) {
        assert.ok(error instanceof ContainerdEditedError)
        assert.deepEqual(await readdir(certsDir.path), ['docker.io'])
      }
      const backup = await certsDir.read('_shoal-backup/docker.io.hosts.toml').catch(() => '')
      const kept = [await certsDir.read('docker.io/hosts.toml'), backup]
      assert.ok(isDone || kept.includes('# edited meanwhile\n'))
    }
  })

  it('leaves whole files to whoever reads while they are written', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    const seen = new Set<string>()
    let isRunning = true
    const reading = (async () => {
      while (isRunning) seen.add(await certsDir.read('docker.io/hosts.toml'))
    })()
    for (const port of [1, 2, 3, 4]) await configure(certsDir, { mirrorUrl: `http://127.0.0.1:${port}` })
    isRunning = false
    await reading
    for (const text of seen) assert.ok(text === USERS || Object.keys(parse(text).host ?? {}).length === 2)
  })
})

describe('restoring', () => {
  it('puts back every byte, mode and link and removes what was created', async () => {
    await using certsDir = await CertsDir.make({
      'docker.io/hosts.toml': USERS,
      'empty.example/hosts.toml': '',
      'linked.example/hosts.toml': { linkTo: '../shared.toml' },
      'dangling.example/hosts.toml': { linkTo: 'nowhere.toml' },
      'certs.example/ca.crt': 'pem',
      'shared.toml': USERS,
    })
    await chmod(join(certsDir.path, 'docker.io/hosts.toml'), 0o640)
    const before = await certsDir.snapshot()
    await configure(certsDir, { namespaces: ['_default', 'quay.io'] })
    assert.match(await certsDir.read('linked.example/hosts.toml'), /mirror\.example/)
    assert.equal(await certsDir.read('shared.toml'), USERS)
    await configure(certsDir, { namespaces: ['_default', 'quay.io'], mirrorUrl: 'http://127.0.0.1:1' })
    assert.match(await certsDir.read('linked.example/hosts.toml'), /mirror\.example/)
    assert.deepEqual(await restore(certsDir), [
      'removed _default/hosts.toml',
      'removed certs.example/hosts.toml',
      'restored dangling.example/hosts.toml',
      'restored docker.io/hosts.toml',
      'restored empty.example/hosts.toml',
      'restored linked.example/hosts.toml',
      'removed quay.io/hosts.toml',
    ])
    assert.deepEqual(await certsDir.snapshot(), before)
  })

  it('removes folders above that were made for it', async () => {
    await using certsDir = await CertsDir.make()
    const before = await certsDir.snapshot()
    await configure(certsDir)
    await restore(certsDir)
    assert.deepEqual(await certsDir.snapshot(), before)
  })

  it('does nothing when nothing was configured', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    assert.deepEqual(await restore(certsDir), [])
  })

  it('refuses to lose edits, unless forced, and then changes nothing at all', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    const before = await certsDir.snapshot()
    await configure(certsDir)
    await certsDir.put({ 'docker.io/hosts.toml': '# edited\n' })
    const edited = await certsDir.snapshot()
    await assert.rejects(restore(certsDir), (error) => {
      return error instanceof ContainerdEditedError && error.paths[0] === join(certsDir.path, 'docker.io/hosts.toml')
    })
    assert.deepEqual(await certsDir.snapshot(), edited)
    await restore(certsDir, true)
    assert.deepEqual(await certsDir.snapshot(), before)
  })

  it('refuses when a backup was changed', async () => {
    await using certsDir = await CertsDir.make({ 'docker.io/hosts.toml': USERS })
    await configure(certsDir)
    await certsDir.put({ '_shoal-backup/docker.io.hosts.toml': '# not what it was\n' })
    await assert.rejects(restore(certsDir), ContainerdFilesError)
    await certsDir.put({ '_shoal-backup/manifest.json': '{' })
    await assert.rejects(restore(certsDir), ContainerdFilesError)
  })

  it('keeps what others have put into folders of ours', async () => {
    await using certsDir = await CertsDir.make()
    await configure(certsDir, { namespaces: ['quay.io'] })
    await certsDir.put({ 'quay.io/ca.crt': 'pem' })
    await restore(certsDir)
    assert.deepEqual(await readdir(join(certsDir.path, 'quay.io')), ['ca.crt'])
  })
})

/** A signal that fires at the look after `count` others. */
function abortAfter(count: number): AbortSignal {
  return signalWatchedBy((look) => {
    if (look >= count) throw new DOMException('enough', 'AbortError')
  })
}

/** A signal that never fires by itself and says how often it was looked at. */
function signalWatchedBy(watch: (look: number) => void): AbortSignal {
  let looks = 0
  return new Proxy(new AbortController().signal, {
    get: (target, name) => (name === 'throwIfAborted' ? () => watch(looks++) : Reflect.get(target, name)),
  })
}
