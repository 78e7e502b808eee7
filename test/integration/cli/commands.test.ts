import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PEER_ID } from '../../support/config-sources.ts'
import { tempFolder, testScope } from '../../support/scope.ts'
import { statusDocument } from '../../support/status-document.ts'
import { fakeAdmin } from './fake-admin.ts'

const SHOAL = fileURLToPath(new URL('../../../src/shoal', import.meta.url))

/** Starting node and loading libp2p on a busy machine. */
const TIMEOUT_MS = 20_000

interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function shoal(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  return await new Promise((resolve) => {
    const options = { timeout: TIMEOUT_MS, env: { PATH: process.env.PATH, ...env } }
    execFile(SHOAL, args, options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err })
    })
  })
}

describe('the shoal command', () => {
  it('explains itself', async () => {
    const { code, out } = await shoal(['--help'])
    assert.equal(code, 0)
    for (const word of [
      'agent',
      'tracker',
      'keygen',
      'containerd',
      'status',
      'pull',
      'limits',
      'config',
      'First steps',
    ]) {
      assert.ok(out.includes(word), word)
    }
  })

  it('says the version of its package', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'))
    assert.deepEqual(await shoal(['--version']), { code: 0, out: `${version}\n`, err: '' })
  })

  it('ends with 2 when it is called wrongly', async () => {
    const results = await Promise.all([
      shoal(['stauts']),
      shoal(['agent', '--zoen', 'a']),
      shoal(['keygen']),
      shoal(['pull']),
    ])
    assert.deepEqual(
      results.map(({ code, out }) => [code, out]),
      results.map(() => [2, '']),
    )
    assert.match(results[0]?.err ?? '', /Did you mean status\?/)
    assert.match(results[1]?.err ?? '', /--zone/)
  })

  it('ends with 2 when the configuration is wrong, before anything is started', async (test) => {
    const { path } = testScope(test).use(await tempFolder('cli'))
    const file = join(path, 'shoal.yaml')
    await writeFile(file, 'stor: {}\nmirror: { listen: ["nowhere"] }\n')
    const { code, out, err } = await shoal(['agent', '--config', file, '--data-dir', join(path, 'data')])
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /stor \(shoal\.yaml:1\): no such setting; did you mean store\?/)
    assert.match(err, /mirror\.listen\[0\] \(shoal\.yaml:2\): expected an address/)
    await assert.rejects(stat(join(path, 'data')), { code: 'ENOENT' })
  })

  it('prints what is in force and what there is to set', async () => {
    const [printed, reference] = await Promise.all([
      shoal(['config', '--zone', 'z1'], { SHOAL_CLUSTER_KEY: 'hunter2' }),
      shoal(['config', '--reference']),
    ])
    assert.match(printed.out, /zone: z1 # --zone/)
    assert.doesNotMatch(printed.out, /hunter2/)
    assert.match(
      reference.out,
      /^\| `store\.quota` \| size or % \| 50GiB; tracker: 200GiB \| `SHOAL_STORE_QUOTA` \| `--store-quota` \|/m,
    )
  })
})

describe('shoal keygen', () => {
  it('creates what is missing and never overwrites', async (test) => {
    const { path } = testScope(test).use(await tempFolder('cli'))
    const args = [
      'keygen',
      '--cluster-key',
      join(path, 'cluster.key'),
      '--identity',
      join(path, 'identity.key'),
      '--json',
    ]
    const first = await shoal(args)
    assert.deepEqual([first.code, first.err], [0, ''])
    const before = await readFile(join(path, 'cluster.key'), 'utf8')
    assert.equal((await stat(join(path, 'identity.key'))).mode & 0o777, 0o600)
    const second = JSON.parse((await shoal(args)).out)
    assert.equal(await readFile(join(path, 'cluster.key'), 'utf8'), before)
    assert.equal(second.identity.isNew, false)
    assert.equal(second.identity.peerId, JSON.parse(first.out).identity.peerId)
    assert.match(second.identity.peerId, /^12D3KooW/)
  })

  it('notices a file that is no key', async (test) => {
    const { path } = testScope(test).use(await tempFolder('cli'))
    await writeFile(join(path, 'cluster.key'), 'not a key')
    const { code, err } = await shoal(['keygen', '--cluster-key', join(path, 'cluster.key')])
    assert.equal(code, 1)
    assert.match(err, /^shoal: .*cluster\.key: not a cluster key/)
  })
})

describe('shoal containerd', () => {
  it('configures, shows and restores', async (test) => {
    const { path } = testScope(test).use(await tempFolder('cli'))
    const folder = ['--certs-dir', path]
    await mkdir(join(path, 'docker.io'))
    await writeFile(join(path, 'docker.io/hosts.toml'), '[host."https://mirror.example"]\n')
    assert.equal((await shoal(['containerd', 'show', ...folder])).code, 1)
    const configured = await shoal(['containerd', 'configure', ...folder, '--registry', 'quay.io'])
    assert.equal(configured.code, 0)
    assert.match(configured.out, /created {2}\S+quay\.io\/hosts\.toml/)
    const shown = await shoal(['containerd', 'show', ...folder])
    assert.equal(shown.code, 0)
    assert.match(
      shown.out,
      /1\. http:\/\/127\.0\.0\.1:5000 \(pull, resolve\) {2}<- mirror\n {2}2\. https:\/\/mirror\.example/,
    )
    await writeFile(join(path, 'quay.io/hosts.toml'), '# edited\n')
    const refused = await shoal(['containerd', 'restore', ...folder])
    assert.equal(refused.code, 1)
    assert.match(refused.err, /edited since: \S+quay\.io\/hosts\.toml\n.*--force/)
    assert.equal((await shoal(['containerd', 'restore', ...folder, '--force'])).code, 0)
    assert.equal(await readFile(join(path, 'docker.io/hosts.toml'), 'utf8'), '[host."https://mirror.example"]\n')
  })
})

describe('shoal status', () => {
  it('shows what the agent says, as a page and as JSON', async (test) => {
    const admin = testScope(test).use(
      await fakeAdmin((request, response) =>
        response.writeHead(request.url === '/status' ? 200 : 404).end(JSON.stringify(statusDocument())),
      ),
    )
    const [page, json] = await Promise.all([
      shoal(['status'], { SHOAL_ADMIN_URL: admin.url }),
      shoal(['status', '--json', '--admin', `${admin.url}/`]),
    ])
    assert.deepEqual([page.code, page.err], [0, ''])
    assert.match(page.out, /other agents +750 MB +75 %/)
    assert.ok(!page.out.includes('\u001b'), 'no colours where nobody is watching')
    assert.equal(JSON.parse(json.out).bytesBySource.peers, 750e6)
  })

  it('ends with 1 when the agent is not ready', async (test) => {
    const document = { ...statusDocument(), ready: { ok: false, reasons: ['starting'] } }
    const admin = testScope(test).use(await fakeAdmin((_, response) => response.end(JSON.stringify(document))))
    assert.equal((await shoal(['status', '--admin', admin.url])).code, 1)
  })

  it('says what to do when no agent answers, or something else does', async (test) => {
    const admin = testScope(test).use(await fakeAdmin((_, response) => response.end('<html>')))
    const [nobody, stranger] = await Promise.all([
      shoal(['status', '--admin', 'http://127.0.0.1:1']),
      shoal(['status', '--admin', admin.url]),
    ])
    assert.equal(nobody.code, 1)
    assert.match(nobody.err, /no agent answers at http:\/\/127\.0\.0\.1:1\n.*is it running\?/)
    assert.match(stranger.err, /not as an agent of this version does/)
  })
})

describe('shoal pull', () => {
  it('shows layers as they come in and where they came from', async (test) => {
    const [, layer] = statusDocument().layers
    const done = { type: 'done', seconds: 1.5, bytesBySource: { store: 0, peers: 2e6, tracker: 0, origin: 0 } }
    const events = [
      { type: 'resolved', reference: 'docker.io/library/a:1', digest: 'sha256:x', layers: 1, sizeBytes: 2e6 },
      { ...layer, type: 'layer' },
      { type: 'something newer' },
      { ...layer, type: 'layer', heldBytes: 2e6, isComplete: true },
      done,
    ]
    let asked = ''
    const admin = testScope(test).use(
      await fakeAdmin((request, response) => {
        request.on(
          'data',
          (bytes: Buffer) => (asked += [request.method, request.headers['x-shoal-admin'], bytes].join(' ')),
        )
        request.on('end', () => response.end(events.map((event) => `${JSON.stringify(event)}\n`).join('')))
      }),
    )
    const { code, out } = await shoal(['pull', 'library/a:1', '--platform', 'linux/arm64', '--admin', admin.url])
    assert.equal(code, 0)
    assert.equal(asked, 'POST 1 {"reference":"library/a:1","platform":"linux/arm64"}')
    assert.match(
      out,
      /^docker\.io\/library\/a:1@sha256:x: 1 layers, 2\.00 MB\nb{12} {2}2\.00 MB {2}done\ndone in 1\.50 s\n/,
    )
    assert.match(out, /other agents +2\.00 MB +100 %/)
  })

  it('ends with 1 and the reason of the agent when that fails or hangs up', async (test) => {
    const scope = testScope(test)
    const failing = scope.use(
      await fakeAdmin((_, response) => response.end('{"type":"error","code":"X","message":"no such image"}\n')),
    )
    const refusing = scope.use(
      await fakeAdmin((_, response) => response.writeHead(403).end('{"code":"X","message":"not allowed"}')),
    )
    const silent = scope.use(await fakeAdmin((_, response) => response.end()))
    const results = await Promise.all(
      [failing, refusing, silent].map(({ url }) => shoal(['pull', 'a', '--admin', url])),
    )
    assert.deepEqual(
      results.map(({ code }) => code),
      [1, 1, 1],
    )
    assert.match(results[0]?.err ?? '', /no such image/)
    assert.match(results[1]?.err ?? '', /answered 403: not allowed/)
    assert.match(results[2]?.err ?? '', /hung up before/)
  })
})

describe('shoal prefetch', () => {
  const nodes = { waiting: 0, running: 0, done: 2, failed: 0, unreachable: 0, relays: 1 }
  const progress = { nodes, heldBytes: 2e6, sizeBytes: 2e6 }
  const resolved = { type: 'resolved', id: 'abc', reference: 'docker.io/library/a@sha256:x', digest: 'sha256:x' }
  const bytesBySource = { store: 0, peers: 1e6, tracker: 1e6, origin: 0 }
  const done = { type: 'done', seconds: 2, isComplete: true, ...progress, bytesBySource, failures: [], missing: 0 }

  /** An agent that tells `events`; `asked` becomes what it was sent. */
  async function telling(scope: AsyncDisposableStack, events: readonly object[]) {
    const seen = { asked: '' }
    const admin = scope.use(
      await fakeAdmin((request, response) => {
        request.on('data', (bytes: Buffer) => (seen.asked += bytes.toString()))
        request.on('end', () => response.end(events.map((event) => `${JSON.stringify(event)}\n`).join('')))
      }),
    )
    return { url: admin.url, seen }
  }

  it('tells how the nodes come along and where the bytes came from', async (test) => {
    const running = { type: 'progress', ...progress, nodes: { ...nodes, running: 1, done: 1 }, heldBytes: 1e6 }
    const { url, seen } = await telling(testScope(test), [resolved, running, running, done])
    const { code, out, err } = await shoal(['prefetch', 'a:1', '--nodes', 'zone=z1', '--timeout', '5m', '--admin', url])
    assert.deepEqual([code, err], [0, ''])
    assert.deepEqual(JSON.parse(seen.asked), { reference: 'a:1', nodes: { zone: 'z1' }, timeout: '5m', detach: false })
    assert.match(
      out,
      /^docker\.io\/library\/a@sha256:x\n1 of 2 done, 1 running: 1\.00 MB of 2\.00 MB \(50 %\)\ndone in 2\.00 s: 2 of 2 done\n/,
    )
    assert.match(out, /other agents +1\.00 MB +50 %/)
  })

  it('ends with 1 and says who failed, and why', async (test) => {
    const failed = {
      ...done,
      isComplete: false,
      nodes: { ...nodes, done: 1, failed: 2, unreachable: 1 },
      failures: [
        { peer: PEER_ID, name: 'node-7', reason: 'no right\u001b[31m' },
        { peer: PEER_ID, name: '', reason: 'unreachable: refused' },
      ],
      missing: 1,
    }
    const { url } = await telling(testScope(test), [resolved, failed])
    const { code, out, err } = await shoal(['prefetch', 'a:1', '--nodes', '5', '--admin', url])
    assert.equal(code, 1)
    assert.match(out, /ended in 2\.00 s: 1 of 4 done, 2 failed, 1 unreachable/)
    assert.match(err, /node-7 +12D3\S+ +no right\?\[31m\n\? +12D3\S+ +unreachable: refused\n… and 1 more\n/)
    assert.match(err, /1 nodes fewer were found than asked for/)
  })

  it('says what happens as JSON, and lets go of what is detached', async (test) => {
    const scope = testScope(test)
    const json = await telling(scope, [resolved, done])
    const lines = (await shoal(['prefetch', 'a', '--json', '--admin', json.url])).out.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { type: string }).type),
      ['resolved', 'done'],
    )
    const detached = await telling(scope, [resolved])
    const { code, out } = await shoal(['prefetch', 'a', '--detach', '--admin', detached.url])
    assert.deepEqual([code, JSON.parse(detached.seen.asked).detach], [0, true])
    assert.match(out, /goes on as abc, for 1h at most: see shoal status/)
    const cut = await shoal(['prefetch', 'a', '--admin', detached.url])
    assert.equal(cut.code, 1)
    assert.match(cut.err, /hung up before the nodes were done/)
  })

  it('ends with 2 for what cannot be meant, before any agent is asked', async () => {
    const wrong = [
      ['--nodes', 'zone='],
      ['--nodes', '0'],
      ['--nodes', 'most'],
      ['--platform', 'linux'],
      ['--timeout', 'soon'],
    ]
    for (const args of wrong) {
      const { code, err } = await shoal(['prefetch', 'a', ...args, '--admin', 'http://127.0.0.1:1'])
      assert.equal(code, 2, args.join(' '))
      assert.match(err, new RegExp(`^shoal: ${args[0]} `))
    }
  })
})
