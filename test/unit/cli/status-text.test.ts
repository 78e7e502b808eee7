import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statusText } from '../../../src/cli/status-text.ts'
import { statusViewSchema } from '../../../src/cli/status-view.ts'
import { RecordedTerminal } from '../../support/recorded-terminal.ts'
import { statusDocument } from '../../support/status-document.ts'

function shown(changes: object = {}): string {
  return statusText(statusViewSchema.parse({ ...statusDocument(), ...changes }), new RecordedTerminal())
}

describe('the status page', () => {
  it('shows readiness, shares, layers with bars, and peers', () => {
    const text = shown()
    assert.match(text, /^agent 12D3KooW\S+, zone z1, version 0\.1\.0, up 1 h 2 min, ready\n/)
    assert.match(text, /store: 2 layers, 1\.00 GB of 10\.0 GB \(10 %\)/)
    assert.match(text, /other agents +750 MB +75 %/)
    assert.match(text, /b{12} +2\.00 MB +██████░░░░░░ +50 % +downloading +1 +3/)
    assert.match(text, /12D3KooW…\S+ +tracker +- +250 MB +1\.00 MB/)
  })

  it('shows limits that are set, and that there are none by saying nothing', () => {
    assert.match(
      shown({ limits: { 'upload.total': '50MiB/s', 'origin.lazy': '1MiB/s' } }),
      /^limits: upload\.total 50MiB\/s, origin\.lazy 1MiB\/s$/m,
    )
    assert.doesNotMatch(shown(), /limits/)
  })

  it('shows what came from which zone, where peers say one', () => {
    assert.match(shown(), /z1 \(this one\) +700 MB +77 %/)
    assert.match(shown(), /z2 +200 MB +22 %/)
    assert.doesNotMatch(shown({ bytesByZone: { '': 1e6 } }), /PEERS OF/)
  })

  it('says what is done about layers that were read in part, and what it waits for', () => {
    const digest = `sha256:${'a'.repeat(64)}`
    const completion = { mode: 'idle', state: 'waiting', because: 'pulls', layers: [{ digest, state: 'room' }] }
    const text = shown({ completion: { ...completion, done: 3, givenUp: 1, bytes: 1 } })
    assert.match(text, /^layers read in part \(idle\): 1 to go, a pull is under way, 3 done, 1 given up$/m)
    assert.match(text, /a{12} .* no room /)
    assert.doesNotMatch(shown(), /read in part/)
  })

  it('shows which level gave clients their chunks, and how soon', () => {
    const level = { level: 'memory', usedBytes: 5e6, limitBytes: 80e6, hits: 30, bytes: 1, p50Ms: 0.123, p99Ms: 4.56 }
    const far = { level: 'origin', hits: 10, bytes: 1, p50Ms: 250, p99Ms: 2_500 }
    const text = shown({ cache: [level, { level: 'tracker', hits: 0, bytes: 0, p50Ms: 0, p99Ms: 0 }, far] })
    assert.match(text, /memory +5\.00 MB of 80\.0 MB +30 +75 % +0\.12 ms +4\.56 ms/)
    assert.match(text, /tracker +- +0 +0 % +- +-/)
    assert.match(text, /origin +- +10 +25 % +250 ms +2\.50 s/)
    assert.doesNotMatch(shown(), /CHUNKS FROM/)
  })

  it('shows orders to prefetch where there are any', () => {
    const nodes = { waiting: 1, running: 2, done: 3, failed: 0, unreachable: 1, relays: 1 }
    const order = { id: '0123456789', image: 'r.test/app@sha256:x', isStarter: true, isOver: false, nodes }
    const text = shown({ prefetches: [{ ...order, heldBytes: 3e6, sizeBytes: 6e6 }] })
    assert.match(
      text,
      /^01234567 +here +3 of 7 done, 2 running, 1 waiting, 1 unreachable +50 % +running +r\.test\/app@sha256:x$/m,
    )
    assert.doesNotMatch(shown(), /PREFETCH/)
  })

  it('puts layers on their way before those at rest', () => {
    const text = shown()
    assert.ok(text.indexOf('b'.repeat(12)) < text.indexOf('a'.repeat(12)))
  })

  it('says why an agent is not ready and what is missing', () => {
    const text = shown({ ready: { ok: false, reasons: ['no peers yet'] }, peers: [], layers: [] })
    assert.match(text, /not ready: no peers yet/)
    assert.match(text, /no layers yet/)
    assert.match(text, /pulls from the registries alone/)
  })

  it('counts layers beyond the first twenty', () => {
    const [layer] = statusDocument().layers
    assert.match(shown({ layers: Array(30).fill(layer) }), /… and 10 more/)
  })

  it('obeys nothing that a peer has put into its names', () => {
    const peers = [{ id: '\u001b[2Jevil', role: 'agent', zone: '\u001b]0;x\u0007', bytesIn: 0, bytesOut: 0 }]
    assert.ok(!shown({ peers }).includes('\u001b'))
  })
})
