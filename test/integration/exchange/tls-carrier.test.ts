import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { PeerClosedError } from '../../../src/exchange/index.ts'
import { TlsCarrier } from '../../../src/exchange/tls-carrier.ts'
import type { TlsIdentity } from '../../../src/p2p/index.ts'
import { channelConformance } from '../../conformance/exchange-carrier.ts'
import { eventually } from '../../support/p2p-swarm.ts'
import { LOOPBACK, TlsTestServer, tlsIdentity, tlsPair } from '../../support/tls-pair.ts'

const limit = { timeout: 10_000 }

channelConformance('tls', tlsPair)

test('tls: a writer whose reader has stopped waits, and stops waiting with its signal', limit, async () => {
  await using pair = await tlsPair()
  pair.near.open({ onBytes() {}, onEnd() {} })
  let wroteBytes = 0
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 300)
  await assert.rejects(
    (async () => {
      for (;;) {
        const hasRoom = pair.near.write(new Uint8Array(256 * 1024))
        wroteBytes += 256 * 1024
        if (!hasRoom) await pair.near.drained({ signal: controller.signal })
      }
    })(),
    { name: 'AbortError' },
  )
  assert.ok(wroteBytes <= 16 * 2 ** 20, `${wroteBytes} bytes were taken for a reader that takes none`)
})

test('tls: each write says once that its bytes are needed no more, sent or not', limit, async () => {
  await using pair = await tlsPair()
  pair.near.open({ onBytes() {}, onEnd() {} })
  let sent = 0
  pair.near.write(Buffer.from('x'), () => (sent += 1))
  assert.equal(sent, 0)
  await eventually(() => sent === 1)
  for (let count = 0; count < 64; count += 1) pair.near.write(new Uint8Array(256 * 1024), () => (sent += 1))
  pair.near.abort(new Error('no more'))
  await eventually(() => sent === 65)
})

test('tls: a peer other than the one expected is not spoken to', limit, async () => {
  await using server = await TlsTestServer.start()
  const carrier = new TlsCarrier(await tlsIdentity())
  const someoneElse = (await tlsIdentity()).peerId
  await assert.rejects(carrier.open(someoneElse, server.address, {}), PeerClosedError)
})

test('tls: a peer that is not admitted gets no channel, whatever it proves', limit, async () => {
  await using server = await TlsTestServer.start({ admits: () => false })
  const carrier = new TlsCarrier(await tlsIdentity())
  await assert.rejects(carrier.open(server.identity.peerId, server.address, {}), PeerClosedError)
  assert.deepEqual([server.refusals, server.channels.length], [['stranger'], 0])
})

test('tls: no certificate, or one not signed with its own key, gets no channel', limit, async () => {
  await using server = await TlsTestServer.start()
  const plain = connectTls({ ...server.address, rejectUnauthorized: false, ALPNProtocols: ['shoal-exchange/1'] })
  await closingOf(plain)
  const carrier = new TlsCarrier(withBrokenSignature(await tlsIdentity()))
  await assert.rejects(carrier.open(server.identity.peerId, server.address, {}), PeerClosedError)
  assert.deepEqual([server.refusals, server.channels.length], [['certificate', 'certificate'], 0])
})

test('tls: an older TLS and another protocol get no channel', limit, async () => {
  await using server = await TlsTestServer.start()
  for (const options of [{ maxVersion: 'TLSv1.2' as const }, { ALPNProtocols: ['h2'] }, {}]) {
    const socket = connectTls({ ...server.address, ...asClient(await tlsIdentity()), ...options })
    await closingOf(socket)
  }
  assert.deepEqual([server.refusals, server.channels.length], [['handshake', 'handshake', 'handshake'], 0])
})

test('tls: those who only connect take few places, for a short time', limit, async () => {
  await using server = await TlsTestServer.start({ maxHandshakes: 4, maxHandshakesPerHost: 4, handshakeTimeoutMs: 300 })
  const silent = await Promise.all(Array.from({ length: 4 }, () => tcpTo(server.port)))
  const one = await tcpTo(server.port)
  await eventually(() => one.destroyed)
  assert.deepEqual(server.refusals, ['full'])
  await eventually(() => silent.every((socket) => socket.destroyed))
  const carrier = new TlsCarrier(await tlsIdentity())
  const channel = await carrier.open(server.identity.peerId, server.address, {})
  channel.abort(new Error('the test is over'))
})

test('tls: a port that accepts and never answers is left with the signal', limit, async () => {
  const silent = createServer((socket) => socket.resume())
  silent.listen(0, LOOPBACK)
  await once(silent, 'listening')
  const address = silent.address()
  assert.ok(typeof address === 'object' && address !== null)
  const carrier = new TlsCarrier(await tlsIdentity())
  const signal = AbortSignal.timeout(200)
  await assert.rejects(carrier.open('peer', { host: LOOPBACK, port: address.port }, { signal }), {
    name: 'TimeoutError',
  })
  silent.close()
  await once(silent, 'close')
})

test('tls: a closed port is an error of the peer', limit, async () => {
  const server = await TlsTestServer.start()
  await server[Symbol.asyncDispose]()
  const carrier = new TlsCarrier(await tlsIdentity())
  await assert.rejects(carrier.open(server.identity.peerId, server.address, {}), PeerClosedError)
})

function asClient({ key, certificate }: TlsIdentity) {
  return { key, cert: certificate, rejectUnauthorized: false }
}

function withBrokenSignature(identity: TlsIdentity): TlsIdentity {
  const der = Buffer.from(new X509Certificate(identity.certificate).raw)
  der.writeUInt8(der.readUInt8(der.length - 20) ^ 1, der.length - 20)
  return { ...identity, certificate: new X509Certificate(der).toString() }
}

/** Resolves when the socket is closed, with an error or without. */
async function closingOf(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('close', resolve))
}

async function tcpTo(port: number): Promise<Socket> {
  const socket = connectTcp(port, LOOPBACK)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}
