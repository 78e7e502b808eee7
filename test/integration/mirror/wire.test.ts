import assert from 'node:assert/strict'
import { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { patternBytes, startTestMirror } from '../../support/mirror-fakes.ts'
import { parseMultipart } from '../../support/multipart-parser.ts'
import { rawExchange, readToEnd, requestText } from '../../support/raw-http.ts'
import { testScope } from '../../support/scope.ts'

const MIB = 1024 * 1024
const CONTAINERD = { 'User-Agent': 'containerd/1.6.20' }

describe('a namespace in letters that fold to the right ones', () => {
  test('is answered in plain ones, and no blob stays open', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 1000))
    // U+212A, the Kelvin sign, is a `k` in lower case.
    const line = `GET /v2/lib/app/blobs/${digest}?ns=doc%E2%84%AAer.io`
    const answer = await rawExchange(mirror.port, requestText(line, CONTAINERD))
    assert.equal(answer.status, 200)
    assert.match(answer.head, /OCI-Namespace: docker\.io/i)
    assert.equal(mirror.blobs.openHandles, 0)
  })
})

describe('an answer whose headers cannot be written', () => {
  test('closes the blob it was to carry', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 1000))
    t.mock.method(ServerResponse.prototype, 'writeHead', () => {
      throw new TypeError('not a header')
    })
    const answer = await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    assert.equal(answer.ending, 'FIN')
    assert.equal(mirror.blobs.openHandles, 0)
  })
})

describe('a body whose sources fail', () => {
  test('ends with a FIN after every verified byte, and containerd is sent to the origin for half a minute', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 2 * MIB), { failAfterBytes: MIB })
    const line = `GET /v2/lib/app/blobs/${digest}?ns=registry.test`
    const broken = await rawExchange(mirror.port, requestText(line, CONTAINERD))
    assert.equal(broken.status, 200)
    assert.match(broken.head, /Content-Length: 2097152/i)
    assert.equal(broken.ending, 'FIN')
    assert.ok(broken.body.equals(patternBytes(0, MIB)))
    const resumed = await rawExchange(mirror.port, requestText(line, { ...CONTAINERD, Range: `bytes=${MIB}-` }))
    assert.equal(resumed.status, 404)
    assert.match(resumed.body.toString(), /BLOB_UNKNOWN/)
    assert.equal(mirror.blobs.openHandles, 0)
  })

  test('goes on in the same answer for a client that has nowhere else to go', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 2 * MIB), { failAfterBytes: MIB })
    const line = `GET /v2/lib/app/blobs/${digest}`
    const lazy = { 'User-Agent': 'Go-http-client/1.1', Range: `bytes=0-${2 * MIB - 1}` }
    const answer = await rawExchange(mirror.port, requestText(line, lazy))
    assert.equal(answer.status, 206)
    assert.ok(answer.body.equals(patternBytes(0, 2 * MIB)))
    assert.equal(mirror.blobs.reads.length, 2)
    assert.equal(mirror.blobs.openHandles, 0)
  })

  test('never begins when the first byte does not come: no headers are sent that would be followed by nothing', async (t) => {
    const mirror = testScope(t).use(await startTestMirror({ budgets: { containerd: { softMs: 50, hardMs: 100 } } }))
    const failing = mirror.blobs.add(patternBytes(0, 1000), { failAfterBytes: 0 })
    const stalled = mirror.blobs.add(patternBytes(0, 1001), { stallAfterBytes: 0 })
    for (const digest of [failing, stalled]) {
      const answer = await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
      assert.equal(answer.status, 404)
    }
    assert.equal(mirror.blobs.openHandles, 0)
  })

  test('is given up when it stalls, with a FIN', async (t) => {
    const mirror = testScope(t).use(await startTestMirror({ body: { sourceStallMs: 100 } }))
    const digest = mirror.blobs.add(patternBytes(0, MIB), { stallAfterBytes: 65_536 })
    const broken = await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    assert.equal(broken.ending, 'FIN')
    assert.ok(broken.body.equals(patternBytes(0, 65_536)))
    assert.equal(mirror.blobs.abortedReads, 1)
  })

  test('stops at Content-Length when the source gives more than it was asked for', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 5000), { content: () => patternBytes(0, 9000), chunkBytes: 1000 })
    const answer = await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    assert.equal(answer.status, 404)
    assert.ok(answer.body.byteLength < 1000)
  })
})

describe('clients that leave or linger', () => {
  test('a client that hangs up ends the work for it', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = digestOf(Buffer.from('endless'))
    mirror.blobs.blobs.set(digest, { sizeBytes: 10 * 1024 * MIB, chunkBytes: MIB })
    const socket = connect(mirror.port, '127.0.0.1')
    socket.write(requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    await until(() => mirror.blobs.abortedReads === 1 && mirror.blobs.openHandles === 0)
  })

  test('a client that hangs up before its answer begins ends the work for it', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 1000), { stallAfterBytes: 0 })
    const socket = connect(mirror.port, '127.0.0.1')
    socket.write(requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    await until(() => mirror.blobs.openHandles === 1)
    socket.destroy()
    await until(() => mirror.blobs.abortedReads === 1 && mirror.blobs.openHandles === 0)
  })

  test('buffers that are used again never mix the bodies of clients that read, read slowly or hang up', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const content = patternBytes(0, 24 * MIB)
    const digest = mirror.blobs.add(content, { chunkBytes: MIB })
    const ask = (index: number): string =>
      requestText(`GET /v2/lib/app/blobs/${digest}`, { ...CONTAINERD, Range: `bytes=${index}-` })
    const leaving = [1, 2, 3].map((index) => {
      const socket = connect(mirror.port, '127.0.0.1')
      socket.write(ask(index))
      return new Promise((resolve) => socket.once('data', () => resolve(socket.destroy())))
    })
    const slow = connect(mirror.port, '127.0.0.1')
    slow.write(ask(0))
    const fast = await Promise.all([4, 5, 6, 7].map(async (index) => await rawExchange(mirror.port, ask(index))))
    await Promise.all(leaving)
    const bodies = [...fast, await readToEnd(slow)].map(({ body }) => body)
    for (const [at, index] of [4, 5, 6, 7, 0].entries()) assert.ok(bodies[at]?.equals(content.subarray(index)))
    assert.ok(mirror.blobs.buffers.idleBytes > 0)
  })

  test('a client that reads slowly holds no more than what fits into the sockets', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = digestOf(Buffer.from('hundred megabytes'))
    mirror.blobs.blobs.set(digest, { sizeBytes: 100 * MIB, chunkBytes: MIB })
    const socket = connect(mirror.port, '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write(requestText(`GET /v2/lib/app/blobs/${digest}`, { Range: 'bytes=0-' }))
    await new Promise((resolve) => socket.once('readable', resolve))
    let before = -1
    while (mirror.blobs.producedBytes !== before) {
      before = mirror.blobs.producedBytes
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    // Two socket buffers of the kernel (at most 4 MiB and 6 MiB by default) and one chunk of ours.
    assert.ok(mirror.blobs.producedBytes <= 16 * MIB, `${mirror.blobs.producedBytes / MIB} MiB`)
    assert.deepEqual(mirror.blobs.reads, [{ range: { start: 0, end: 100 * MIB }, demand: 'open' }])
  })

  test('a client that takes nothing at all is let go', async (t) => {
    const mirror = testScope(t).use(await startTestMirror({ body: { clientStallMs: 150 } }))
    const digest = digestOf(Buffer.from('hundred megabytes'))
    mirror.blobs.blobs.set(digest, { sizeBytes: 100 * MIB, chunkBytes: MIB })
    const socket = connect(mirror.port, '127.0.0.1')
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    socket.write(requestText(`GET /v2/lib/app/blobs/${digest}`))
    await new Promise((resolve) => socket.once('readable', resolve))
    await until(() => mirror.blobs.openHandles === 0)
  })
})

describe('one connection', () => {
  test('carries answers in the order of the requests, also when they were sent ahead', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = digestOf(Buffer.from('3 MiB'))
    mirror.blobs.blobs.set(digest, { sizeBytes: 3 * MIB, chunkBytes: MIB })
    const line = `GET /v2/lib/app/blobs/${digest}`
    const ahead =
      requestText(line, { Connection: 'keep-alive' }) +
      requestText('GET /v2/', { Connection: 'keep-alive' }) +
      requestText(line)
    const { body, ending } = await rawExchange(mirror.port, ahead)
    assert.equal(ending, 'FIN')
    assert.ok(body.subarray(0, 3 * MIB).equals(patternBytes(0, 3 * MIB)))
    assert.match(body.toString('latin1', 3 * MIB, 3 * MIB + 500), /^HTTP\/1\.1 200 OK[^{]+\{\}HTTP\/1\.1 200 OK/)
    assert.ok(body.subarray(-3 * MIB).equals(patternBytes(0, 3 * MIB)))
  })

  test('is counted: requests by kind and status, bytes, time to the first of them', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 1000))
    await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    await rawExchange(mirror.port, requestText('GET /v2/lib/app/manifests/v1', CONTAINERD))
    const text = await mirror.metrics.render()
    assert.match(text, /shoal_mirror_requests_total\{kind="blob",client="containerd",status="200"\} 1/)
    assert.match(text, /shoal_mirror_requests_total\{kind="manifest",client="containerd",status="404"\} 1/)
    assert.match(text, /shoal_mirror_sent_bytes_total\{client="containerd"\} 1000/)
    assert.match(text, /shoal_mirror_first_byte_seconds_count\{kind="blob"\} 1/)
    assert.match(text, /shoal_mirror_open_requests 0/)
  })
})

describe('many ranges in one request', () => {
  test('1024 ranges come back as 1024 parts in the order asked, neighbours and overlaps not joined', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const content = patternBytes(0, 200_000)
    const digest = mirror.blobs.add(content)
    const ranges = Array.from({ length: 1024 }, (_, i) => {
      const start = (i * 7919) % 199_000
      return { start, end: start + 1 + (i % 150) }
    })
    const header = `bytes=${ranges.map(({ start, end }) => `${start}-${end - 1}`).join(',')}`
    const answer = await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, { Range: header }))
    assert.equal(answer.status, 206)
    assert.equal(answer.body.byteLength, Number(/Content-Length: (\d+)/i.exec(answer.head)?.[1]))
    const type = /Content-Type: (.+)/i.exec(answer.head)?.[1] ?? ''
    const parts = parseMultipart(type, answer.body)
    assert.deepEqual(
      parts.map(({ start, end }) => ({ start, end })),
      ranges,
    )
    for (const { start, end, bytes } of parts) assert.ok(bytes.equals(content.subarray(start, end)))
  })

  test('one range in the list is answered plainly', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 100))
    const answer = await rawExchange(
      mirror.port,
      requestText(`GET /v2/lib/app/blobs/${digest}`, { Range: 'bytes=5-9' }),
    )
    assert.match(answer.head, /Content-Type: application\/octet-stream/i)
    assert.deepEqual([...answer.body], [...patternBytes(5, 10)])
  })

  test('the same byte asked for over and over is refused', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 100))
    const answer = await rawExchange(
      mirror.port,
      requestText(`GET /v2/lib/app/blobs/${digest}`, { Range: 'bytes=0-,0-,0-' }),
    )
    assert.equal(answer.status, 400)
  })
})

describe('what is not a proper request', () => {
  test('a TLS hello on the plain port is hung up on at once', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const socket = connect(mirror.port, '127.0.0.1')
    socket.write(Buffer.from('16030100c8010000c40303', 'hex'))
    const answer = await readToEnd(socket)
    assert.equal(answer.head, '')
  })

  test('headers over the limit get 431, a request line over the limit 414 or 431, garbage 400', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const huge = await rawExchange(mirror.port, requestText('GET /v2/', { Range: `bytes=${'1-2,'.repeat(40_000)}3-4` }))
    assert.equal(huge.status, 431)
    const path = await rawExchange(mirror.port, requestText(`GET /v2/${'a'.repeat(20_000)}/manifests/v1`))
    assert.equal(path.status, 414)
    const garbage = await rawExchange(mirror.port, 'this is not HTTP\r\n\r\n')
    assert.equal(garbage.status, 400)
  })

  test('a push that waits for permission is refused without its body', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const headers = { 'Content-Length': '1000000', Expect: '100-continue', Connection: 'keep-alive' }
    const answer = await rawExchange(mirror.port, requestText('PUT /v2/lib/app/blobs/uploads/1', headers))
    assert.equal(answer.status, 405)
    assert.equal(answer.ending, 'FIN')
  })
})

describe('who may be reached through the mirror', () => {
  test('a namespace that is not allowed is refused and nobody is asked for anything', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 10))
    const targets = [
      `/v2/lib/app/blobs/${digest}?ns=169.254.169.254`,
      `/v2/lib/app/manifests/latest?ns=127.0.0.1:6443`,
      `/v2/lib/app/manifests/latest?ns=evil.example@registry.test`,
      `http://169.254.169.254/v2/lib/app/blobs/${digest}`,
      `/dadip2p/http://169.254.169.254/v2/lib/app/blobs/${digest}`,
      `/blobs/http://[::1]/v2/lib/app/blobs/${digest}`,
      `/dadip2p/https://registry.test/latest/meta-data`,
    ]
    for (const target of targets) {
      const answer = await rawExchange(mirror.port, requestText(`GET ${target}`))
      assert.equal(answer.status, 404, target)
    }
    assert.deepEqual([mirror.blobs.requests, mirror.documents.asked, mirror.gate.checks], [[], [], []])
  })

  test('absolute URLs are served for allowed registries, as a forward proxy and inside the path', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 10))
    const targets = [
      `http://other.test:5000/v2/lib/app/blobs/${digest}`,
      `/dadip2p/https://other.test:5000/v2/lib/app/blobs/${digest}?X-Signature=abc`,
      `/blobs/http:/other.test:5000/v2/lib/app/blobs/${digest}`,
    ]
    for (const target of targets) {
      const answer = await rawExchange(mirror.port, requestText(`GET ${target}`, { Authorization: 'Bearer t' }))
      assert.equal(answer.status, 200, target)
      const request = mirror.blobs.requests.at(-1)
      assert.deepEqual(request?.origins, [{ namespace: 'other.test:5000', repository: 'lib/app' }])
      assert.equal(request?.authorization, 'Bearer t')
    }
  })

  test('an absolute URL that names the mirror itself is an ordinary request', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(patternBytes(0, 10))
    const answer = await rawExchange(
      mirror.port,
      requestText(`GET http://127.0.0.1:${mirror.port}/v2/lib/app/blobs/${digest}`),
    )
    assert.equal(answer.status, 200)
    assert.equal(mirror.blobs.requests[0]?.origins[0]?.namespace, 'registry.test')
  })

  test('a challenge of the origin is relayed line by line', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const challenges = [
      'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:lib/app:pull"',
      'Basic realm="x"',
    ]
    mirror.gate.outcome = { outcome: 'challenge', challenges }
    const answer = await rawExchange(mirror.port, requestText('GET /v2/lib/app/manifests/v1'))
    assert.equal(answer.status, 401)
    assert.deepEqual(
      answer.head.match(/www-authenticate: .+/gi)?.map((line) => line.slice(18).trim()),
      challenges,
    )
    assert.deepEqual(mirror.documents.asked, [])
  })
})

describe('stopping', () => {
  test('lets an answer under way finish and takes no new connection', async (t) => {
    const mirror = testScope(t).use(await startTestMirror({ drainMs: 5000 }))
    const digest = digestOf(Buffer.from('8 MiB'))
    mirror.blobs.blobs.set(digest, { sizeBytes: 8 * MIB, chunkBytes: 65_536 })
    const headers = { ...CONTAINERD, Connection: 'keep-alive' }
    const answer = rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, headers))
    await until(() => mirror.blobs.producedBytes > 0)
    await mirror.server.stop()
    const { body, ending } = await answer
    assert.equal(body.byteLength, 8 * MIB)
    assert.equal(ending, 'FIN')
    const refused = await rawExchange(mirror.port, requestText('GET /v2/'))
    assert.equal(refused.ending, 'ECONNREFUSED')
  })

  test('goes on answering lazy readers, on new connections too, while an answer under way finishes', async (t) => {
    const mirror = testScope(t).use(await startTestMirror({ drainMs: 5000 }))
    const digest = digestOf(Buffer.from('24 MiB'))
    mirror.blobs.blobs.set(digest, { sizeBytes: 24 * MIB, chunkBytes: 65_536 })
    const layer = mirror.blobs.add(patternBytes(0, MIB))
    const slow = connect(mirror.port, '127.0.0.1')
    slow.write(requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    await until(() => mirror.blobs.producedBytes > 0)
    const stopped = mirror.server.stop()
    const range = { 'User-Agent': 'Go-http-client/1.1', Range: 'bytes=100-199', Connection: 'keep-alive' }
    const answer = await rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${layer}`, range))
    assert.equal(answer.status, 206)
    assert.ok(answer.body.equals(patternBytes(100, 200)))
    assert.match(answer.head, /^connection: close$/im)
    assert.equal((await readToEnd(slow)).body.byteLength, 24 * MIB)
    await stopped
    assert.equal((await rawExchange(mirror.port, requestText('GET /v2/'))).ending, 'ECONNREFUSED')
  })

  test('ends with a FIN what does not finish in time', async (t) => {
    const mirror = testScope(t).use(await startTestMirror({ drainMs: 50 }))
    const digest = mirror.blobs.add(patternBytes(0, MIB), { stallAfterBytes: 65_536 })
    const answer = rawExchange(mirror.port, requestText(`GET /v2/lib/app/blobs/${digest}`, CONTAINERD))
    await until(() => mirror.blobs.producedBytes > 0)
    await mirror.server.stop()
    const { body, ending } = await answer
    assert.equal(ending, 'FIN')
    assert.ok(body.equals(patternBytes(0, 65_536)))
    assert.equal(mirror.blobs.openHandles, 0)
  })
})

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(isTrue(), 'did not happen within 5 s')
}
