import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { request } from 'undici'
import { type AdminComponents, type AdminServer, startAdmin } from '../../../src/admin/index.ts'
import { ShoalError } from '../../../src/core/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { rawExchange, requestText } from '../../support/raw-http.ts'
import { testScope } from '../../support/scope.ts'

async function adminWith(
  scope: AsyncDisposableStack,
  components: Partial<AdminComponents> = {},
): Promise<AdminServer & { readonly url: string }> {
  const healthy = () => ({ isHealthy: true, reasons: [] })
  const defaults = {
    live: healthy,
    ready: healthy,
    status: () => ({ peers: 3 }),
    limits: () => ({}),
    changeLimits: () => undefined,
    metrics: new Metrics(),
    logger: silentLogger(),
  }
  const pull = async function* (reference: string): AsyncGenerator<object> {
    yield { type: 'resolved', reference }
    yield { type: 'done' }
  }
  const prefetch = async function* (request: object): AsyncGenerator<object> {
    yield { type: 'resolved', request }
    yield { type: 'done' }
  }
  const server = await startAdmin({ port: 0 }, { pull, prefetch, ...defaults, ...components })
  scope.defer(async () => await server.stop())
  return { ...server, url: `http://127.0.0.1:${server.port}` }
}

const TRUSTED = { 'x-shoal-admin': '1', 'content-type': 'application/json' }

describe('reports', () => {
  test('probes answer 200 or 503 with reasons', async (t) => {
    const { url } = await adminWith(testScope(t), {
      ready: () => ({ isHealthy: false, reasons: ['the store is being checked'] }),
    })
    const live = await request(`${url}/livez`)
    assert.deepEqual([live.statusCode, await live.body.json()], [200, { ok: true, reasons: [] }])
    const ready = await request(`${url}/readyz`)
    assert.deepEqual(
      [ready.statusCode, await ready.body.json()],
      [503, { ok: false, reasons: ['the store is being checked'] }],
    )
  })

  test('metrics and status are what the composition says', async (t) => {
    const metrics = new Metrics()
    metrics.counter({ name: 'shoal_test_total', help: 'A test.' }).inc(2)
    const { url } = await adminWith(testScope(t), { metrics })
    const text = await request(`${url}/metrics`)
    assert.match(String(text.headers['content-type']), /^text\/plain/)
    assert.match(await text.body.text(), /shoal_test_total 2/)
    const status = await request(`${url}/status?pretty`)
    assert.deepEqual(await status.body.json(), { peers: 3 })
  })

  test('a report that fails is a 500 without its reason', async (t) => {
    const { url } = await adminWith(testScope(t), { status: () => Promise.reject(new Error('secret')) })
    const response = await request(`${url}/status`)
    assert.equal(response.statusCode, 500)
    assert.doesNotMatch(await response.body.text(), /secret/)
  })

  test('anything else is 404 with the list of endpoints as plain text', async (t) => {
    const { url, host } = await adminWith(testScope(t))
    assert.equal(host, '127.0.0.1')
    for (const path of ['/', '/pull', '/debug/<script>']) {
      const response = await request(`${url}${path}`)
      assert.equal(response.statusCode, 404)
      const text = await response.body.text()
      assert.match(text, /GET \/livez[\s\S]*POST \/pull/)
      assert.doesNotMatch(text, /</)
    }
  })
})

describe('prefetches', () => {
  const reference = 'registry.test/lib/app:v1'
  const post = async (url: string, body: unknown) =>
    await request(`${url}/prefetch`, { method: 'POST', headers: TRUSTED, body: JSON.stringify(body) })

  test('are asked for all nodes unless others are named, and told line by line', async (t) => {
    const seen: unknown[] = []
    const prefetch: AdminComponents['prefetch'] = async function* (asked) {
      seen.push(asked)
      yield { type: 'resolved' }
    }
    const { url } = await adminWith(testScope(t), { prefetch })
    const response = await post(url, { reference })
    assert.equal(response.headers['content-type'], 'application/x-ndjson')
    assert.equal(await response.body.text(), '{"type":"resolved"}\n')
    const whole = { reference, nodes: { zone: 'z1' }, platform: 'linux/arm64', timeout: '30m', detach: true }
    assert.equal((await post(url, whole)).statusCode, 200)
    assert.deepEqual(seen, [
      { reference, nodes: 'all', timeoutMs: 3_600_000, isDetached: false },
      { reference, nodes: { zone: 'z1' }, platform: 'linux/arm64', timeoutMs: 1_800_000, isDetached: true },
    ])
  })

  test('are refused with one clear reason for each mistake', async (t) => {
    const { url } = await adminWith(testScope(t))
    const mistakes: readonly (readonly [unknown, RegExp])[] = [
      [{}, /send \{"reference"/],
      [{ reference: 'NO/Such:ref:x' }, /is not an image reference/],
      [{ reference, nodes: 0 }, /nodes is "all", a number from 1 to 10000, or/],
      [{ reference, nodes: 'some' }, /nodes is "all"/],
      [{ reference, nodes: { zone: '' } }, /nodes is "all"/],
      [{ reference, platform: 'linux' }, /linux is not a platform/],
      [{ reference, timeout: '25h' }, /25h is not a time from 1ms to 24h/],
      [{ reference, detach: 'yes' }, /detach is true or false/],
      [{ reference, zone: 'z1' }, /zone is no field/],
    ]
    for (const [body, reason] of mistakes) {
      const response = await post(url, body)
      assert.equal(response.statusCode, 400)
      assert.match(((await response.body.json()) as { message: string }).message, reason)
    }
    const large = await post(url, { reference: 'a'.repeat(5_000) })
    assert.equal(large.statusCode, 413)
    const foreign = await request(`${url}/prefetch`, { method: 'POST', body: JSON.stringify({ reference }) })
    assert.equal(foreign.statusCode, 403)
  })
})

describe('pulls', () => {
  test('are told line by line, with the platform passed on', async (t) => {
    const seen: unknown[] = []
    const pull: AdminComponents['pull'] = async function* (reference, { platform }) {
      seen.push(reference, platform)
      yield { type: 'resolved' }
      yield { type: 'done' }
    }
    const { url } = await adminWith(testScope(t), { pull })
    const body = JSON.stringify({ reference: 'registry.test/lib/app:v1', platform: 'linux/arm64' })
    const response = await request(`${url}/pull`, { method: 'POST', headers: TRUSTED, body })
    assert.equal(response.headers['content-type'], 'application/x-ndjson')
    assert.equal(await response.body.text(), '{"type":"resolved"}\n{"type":"done"}\n')
    assert.deepEqual(seen, ['registry.test/lib/app:v1', 'linux/arm64'])
  })

  test('that fail say so in the last line', async (t) => {
    const pull = async function* (): AsyncGenerator<object> {
      yield { type: 'resolved' }
      throw new ShoalError('the origin is down', { code: 'ORIGIN_UNREACHABLE', blame: 'origin', retryable: true })
    }
    const { url } = await adminWith(testScope(t), { pull })
    const response = await request(`${url}/pull`, { method: 'POST', headers: TRUSTED, body: '{"reference":"nginx"}' })
    const lines = (await response.body.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    assert.deepEqual(lines[1], { type: 'error', code: 'ORIGIN_UNREACHABLE', message: 'the origin is down' })
  })

  test('are ended by hanging up', async (t) => {
    const ended = Promise.withResolvers<void>()
    const pull: AdminComponents['pull'] = async function* (_reference, { signal }) {
      yield { type: 'resolved' }
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
      ended.resolve()
    }
    const { port } = await adminWith(testScope(t), { pull })
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `POST /pull HTTP/1.1\r\nHost: localhost\r\nx-shoal-admin: 1\r\nContent-Length: 21\r\n\r\n{"reference":"nginx"}`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    await ended.promise
  })

  test('are refused without the header, by a strange name, too large, or for what is no reference', async (t) => {
    const { url, port } = await adminWith(testScope(t))
    const post = async (headers: Readonly<Record<string, string>>, body: string): Promise<number> => {
      const response = await request(`${url}/pull`, { method: 'POST', headers, body })
      await response.body.dump()
      return response.statusCode
    }
    assert.equal(await post({}, '{"reference":"nginx"}'), 403)
    assert.equal(await post(TRUSTED, 'x'.repeat(5000)), 413)
    for (const body of [
      '',
      'nginx',
      '{}',
      '{"reference":"BAD NAME"}',
      '{"reference":7}',
      '{"reference":"nginx","platform":"?"}',
    ]) {
      assert.equal(await post(TRUSTED, body), 400, body)
    }
    const rebound = await rawExchange(
      port,
      requestText('POST /pull', { ...TRUSTED, Host: `evil.test:${port}`, 'Content-Length': '0' }),
    )
    assert.equal(rebound.status, 403)
  })
})

describe('limits', () => {
  const put = async (url: string, body: string, headers: Readonly<Record<string, string>> = TRUSTED) => {
    const response = await request(`${url}/limits`, { method: 'PUT', headers, body })
    return { status: response.statusCode, document: await response.body.json() }
  }

  test('are shown as they are, and a change is passed on in bytes a second', async (t) => {
    const changes: unknown[] = []
    const limits = () => ({ upload: { total: changes.length > 0 ? '50MiB/s' : 'unlimited' } })
    const { url } = await adminWith(testScope(t), { limits, changeLimits: (change) => void changes.push(change) })
    const before = await request(`${url}/limits`)
    assert.deepEqual(await before.body.json(), { upload: { total: 'unlimited' } })
    const changed = await put(url, '{"upload":{"total":"50MiB/s"},"origin":{"background":"unlimited"}}')
    assert.deepEqual(changed, { status: 200, document: { upload: { total: '50MiB/s' } } })
    assert.deepEqual(changes, [
      { upload: { total: 50 * 1024 * 1024 }, origin: { background: Number.POSITIVE_INFINITY } },
    ])
  })

  test('are refused as a whole when one is wrong, and to whoever may not ask for a pull either', async (t) => {
    const changeLimits = () => assert.fail('nothing may be changed')
    const { url } = await adminWith(testScope(t), { changeLimits })
    assert.deepEqual(await put(url, '{"upload":{"total":"1MiB/s","lazy":"fast"}}'), {
      status: 400,
      document: {
        code: 'LIMITS_INVALID',
        message: 'upload.lazy: expected a rate such as 50MiB/s, 800mbit (at least 64KiB/s) or unlimited, got "fast"',
      },
    })
    for (const body of ['', 'total', '{}', '[]', '{"upload":5}']) assert.equal((await put(url, body)).status, 400, body)
    assert.equal((await put(url, '{"upload":{"total":"1MiB/s"}}', {})).status, 403)
    assert.equal((await put(url, '{"upload":{"total":"1MiB/s"}}', { ...TRUSTED, host: 'evil.example' })).status, 403)
    assert.equal((await put(url, ' '.repeat(5000))).status, 413)
  })
})
