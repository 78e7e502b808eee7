import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readAheadLab } from '../../support/read-ahead-lab.ts'

const KIB = 1024
const MIB = 1024 * KIB

describe('reading ahead', () => {
  it('begins with the third range in sequence and takes as much again as was read', () => {
    const lab = readAheadLab(64 * MIB)
    lab.read(0, 2 * MIB)
    lab.read(2 * MIB, 4 * MIB)
    assert.deepEqual(lab.wanted, [])
    lab.read(4 * MIB, 5 * MIB)
    assert.deepEqual(lab.wanted, [{ start: 5 * MIB, end: 9 * MIB }])
  })

  it('grows with what was read and stops at the limit', () => {
    const lab = readAheadLab(64 * MIB)
    const aheadMib: number[] = []
    for (let at = 0; at < 7 * MIB; at += MIB) {
      lab.read(at, at + MIB)
      aheadMib.push(lab.wanted.reduce((sum, { start, end }) => sum + end - start, 0) / MIB)
    }
    assert.deepEqual(aheadMib, [0, 0, 3, 4, 4, 4, 4])
  })

  it('passes over small gaps and over ranges that overtook each other', () => {
    const lab = readAheadLab(64 * MIB)
    for (const at of [0, 2, 1, 3, 5, 4].map((step) => step * 100 * KIB)) lab.read(at, at + 100 * KIB)
    assert.equal(lab.wanted.length, 1)
    assert.equal(lab.wanted[0]?.start, 600 * KIB)
  })

  it('takes nothing for ranges far from each other or backwards', () => {
    const lab = readAheadLab(64 * MIB)
    for (const mib of [40, 3, 22, 11, 60, 1]) lab.read(mib * MIB, mib * MIB + 50 * KIB)
    for (let mib = 30; mib > 24; mib--) lab.read(mib * MIB, (mib + 1) * MIB)
    assert.equal(lab.wantedTimes, 0)
  })

  it('tells readers apart who read different parts in turn', () => {
    const lab = readAheadLab(64 * MIB)
    for (let at = 0; at < 4 * MIB; at += MIB) {
      lab.read(at, at + MIB)
      lab.read(32 * MIB + at, 33 * MIB + at)
    }
    assert.deepEqual(lab.wanted, [
      { start: 4 * MIB, end: 8 * MIB },
      { start: 36 * MIB, end: 40 * MIB },
    ])
  })

  it('ends at the end of the blob', () => {
    const lab = readAheadLab(5 * MIB)
    for (let at = 0; at < 4 * MIB; at += MIB) lab.read(at, at + MIB)
    assert.deepEqual(lab.wanted, [{ start: 4 * MIB, end: 5 * MIB }])
    lab.read(4 * MIB, 5 * MIB)
    assert.deepEqual(lab.wanted, [])
  })

  it('takes nothing that is held already', () => {
    const lab = readAheadLab(64 * MIB)
    for (let chunk = 0; chunk < 8; chunk++) lab.held.add(chunk)
    for (let at = 0; at < 3 * MIB; at += MIB) lab.read(at, at + MIB)
    assert.deepEqual(lab.wanted, [])
    for (let at = 3 * MIB; at < 5 * MIB; at += MIB) lab.read(at, at + MIB)
    assert.deepEqual(lab.wanted, [{ start: 5 * MIB, end: 9 * MIB }])
  })

  it('is not renewed for steps within one chunk', () => {
    const lab = readAheadLab(64 * MIB)
    for (let at = 0; at < 1_000 * KIB; at += 10 * KIB) lab.read(at, at + 10 * KIB)
    assert.equal(lab.wantedTimes, 2)
  })

  it('is given up when the reader stops', async () => {
    const lab = readAheadLab(64 * MIB)
    for (let at = 0; at < 4 * MIB; at += MIB) lab.read(at, at + MIB)
    await lab.clock.advance(1_000)
    lab.read(4 * MIB, 5 * MIB)
    await lab.clock.advance(1_000)
    assert.equal(lab.wanted.length, 1)
    await lab.clock.advance(2_000)
    assert.deepEqual(lab.wanted, [])
    assert.equal(lab.clock.pendingCount, 0)
  })

  it('is given up for a reader whom eight others have followed', () => {
    const lab = readAheadLab(64 * MIB)
    for (let at = 0; at < 4 * MIB; at += MIB) lab.read(at, at + MIB)
    for (let mib = 60; mib > 44; mib -= 2) lab.read(mib * MIB, mib * MIB + 1)
    assert.deepEqual(lab.wanted, [])
  })

  it('leaves nothing behind when it is closed', () => {
    const lab = readAheadLab(64 * MIB)
    for (let at = 0; at < 4 * MIB; at += MIB) lab.read(at, at + MIB)
    lab.readAhead.close()
    assert.deepEqual(lab.wanted, [])
    assert.equal(lab.clock.pendingCount, 0)
  })

  it('can be turned off, and does nothing for a blob that is whole', () => {
    const off = readAheadLab(64 * MIB, 0)
    const whole = readAheadLab(64 * MIB)
    whole.isComplete = true
    for (const lab of [off, whole]) {
      for (let at = 0; at < 8 * MIB; at += MIB) lab.read(at, at + MIB)
      assert.equal(lab.wantedTimes, 0)
    }
  })
})
