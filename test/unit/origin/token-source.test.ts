import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import { Answer, type AnswerInit } from '../../../src/origin/answer.ts'
import { OriginBrokenError, OriginThrottledError, OriginUnavailableError } from '../../../src/origin/index.ts'
import { originMetrics } from '../../../src/origin/metrics.ts'
import { type TokenDemand, TokenSource } from '../../../src/origin/token-source.ts'
import type { HttpRequest } from '../../../src/origin/transport.ts'
import { Metrics } from '../../../src/telemetry/index.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const DEMAND: TokenDemand = {
  realm: new URL('https://auth.test/token?a=b'),
  service: 'registry.test',
  scopes: ['repository:a:pull', 'repository:b:pull'],
  credentials: undefined,
}

interface Scripted {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

function setUp(script: (count: number, request: HttpRequest) => Scripted | Promise<Scripted>) {
  const clock = new VirtualClock()
  const requests: HttpRequest[] = []
  const send = async (request: HttpRequest, { signal }: { signal?: AbortSignal | undefined }): Promise<Answer> => {
    requests.push(request)
    const aborted = Promise.withResolvers<never>()
    signal?.addEventListener('abort', () => aborted.reject(signal.reason))
    const {
      status = 200,
      headers = {},
      body = '',
    } = await Promise.race([script(requests.length, request), aborted.promise])
    return new Answer({
      url: request.url,
      status,
      headers,
      hasBody: true,
      body: Readable.from([Buffer.from(body)]) as unknown as AnswerInit['body'],
      translate: (error) => error,
      onBytes: () => {},
    })
  }
  const source = new TokenSource('registry.test', { sender: { send }, clock, metrics: originMetrics(new Metrics()) })
  return { clock, source, requests }
}

const numbered =
  (fields: object = {}) =>
  (count: number) => ({ body: JSON.stringify({ token: `t${count}`, ...fields }) })

suite('bearer tokens', () => {
  test('are asked for with service and every scope, and the realm’s own query', async () => {
    const { source, requests } = setUp(numbered())
    assert.equal(await source.token(DEMAND, {}), 't1')
    const expected =
      'https://auth.test/token?a=b&service=registry.test&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull'
    assert.equal(requests[0]?.url.href, expected)
    assert.deepEqual(requests[0]?.headers, {})
  })

  test('are kept for four fifths of their life, a minute when it is not told', async () => {
    const { clock, source } = setUp(numbered())
    assert.equal(await source.token(DEMAND, {}), 't1')
    await clock.advance(47_999)
    assert.equal(await source.token(DEMAND, {}), 't1')
    await clock.advance(1)
    assert.equal(await source.token(DEMAND, {}), 't2')
  })

  test('live as long as the realm says', async () => {
    const { clock, source } = setUp(numbered({ expires_in: 1_000 }))
    await source.token(DEMAND, {})
    await clock.advance(799_999)
    assert.equal(await source.token(DEMAND, {}), 't1')
    await clock.advance(1)
    assert.equal(await source.token(DEMAND, {}), 't2')
  })

  test('differ by credentials, service and scope', async () => {
    const { source, requests } = setUp(numbered())
    const credentials = { kind: 'password', username: 'u', password: 'p' } as const
    await source.token(DEMAND, {})
    assert.equal(await source.token({ ...DEMAND, credentials }, {}), 't2')
    assert.equal(requests[1]?.headers['authorization'], 'Basic dTpw')
    assert.equal(await source.token({ ...DEMAND, service: undefined }, {}), 't3')
    assert.equal(await source.token({ ...DEMAND, scopes: [] }, {}), 't4')
    assert.equal(await source.token(DEMAND, {}), 't1')
  })

  test('are bought once for all who wait; one who leaves does not end it for the others', async () => {
    const gate = Promise.withResolvers<void>()
    const { source, requests } = setUp(async (count) => {
      await gate.promise
      return numbered()(count)
    })
    const controller = new AbortController()
    const leaver = source.token(DEMAND, { signal: controller.signal })
    const stayer = source.token(DEMAND, {})
    controller.abort(new Error('left'))
    await assert.rejects(leaver, /left/)
    gate.resolve()
    assert.equal(await stayer, 't1')
    assert.equal(requests.length, 1)
  })

  test('are bought with an identity token by POST', async () => {
    const { source, requests } = setUp(() => ({ body: '{"access_token":"a","expires_in":60}' }))
    assert.equal(await source.token({ ...DEMAND, credentials: { kind: 'identity', token: 'secret' } }, {}), 'a')
    const [request] = requests
    assert.equal(request?.method, 'POST')
    const form = Object.fromEntries(new URLSearchParams(request.body))
    assert.equal(form['grant_type'], 'refresh_token')
    assert.equal(form['refresh_token'], 'secret')
    assert.equal(form['scope'], 'repository:a:pull repository:b:pull')
  })

  test('that are refused are none, and asked for again the next time', async () => {
    const { source } = setUp((count) => (count === 1 ? { status: 401 } : numbered()(count)))
    assert.equal(await source.token(DEMAND, {}), undefined)
    assert.equal(await source.token(DEMAND, {}), 't2')
  })

  test('that the registry rejects are forgotten, unless there is a newer one', async () => {
    const { source } = setUp(numbered())
    await source.token(DEMAND, {})
    source.forget(DEMAND, 'other')
    assert.equal(await source.token(DEMAND, {}), 't1')
    source.forget(DEMAND, 't1')
    assert.equal(await source.token(DEMAND, {}), 't2')
  })

  test('fail in the way the realm fails', async () => {
    const answers: [Scripted, new (...args: never[]) => Error][] = [
      [{ status: 503 }, OriginUnavailableError],
      [{ status: 429, headers: { 'retry-after': '7' } }, OriginThrottledError],
      [{ status: 302, headers: { location: 'https://evil.test' } }, OriginBrokenError],
      [{ body: 'no json' }, OriginBrokenError],
      [{ body: '{"token":""}' }, OriginBrokenError],
      [{ body: '{"token":"a\\r\\nX: y"}' }, OriginBrokenError],
      [{ body: `{"token":"${'x'.repeat(70_000)}"}` }, OriginBrokenError],
    ]
    for (const [answer, expected] of answers) {
      const { source } = setUp(() => answer)
      await assert.rejects(source.token(DEMAND, {}), expected)
    }
  })

  test('are waited for no longer than the deadline, nor past the close', async () => {
    const { clock, source } = setUp(async () => await new Promise(() => {}))
    const late = assert.rejects(source.token(DEMAND, {}), OriginUnavailableError)
    await clock.advance(15_000)
    await late
    const closed = assert.rejects(source.token(DEMAND, {}), OriginUnavailableError)
    await settle()
    await source.close()
    await closed
    assert.equal(clock.pendingCount, 0)
  })
})
