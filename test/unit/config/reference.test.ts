import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { configReference } from '../../../src/config/index.ts'
import { load } from '../../support/config-sources.ts'

const reference = configReference()

describe('the reference of settings', () => {
  it('describes every setting in a sentence', () => {
    for (const { path, description } of reference) assert.match(description, /^\S.*\.$/, path)
  })

  it('has no two settings with one variable or flag', () => {
    for (const names of [reference.map(({ env }) => env), reference.map(({ flag }) => flag)]) {
      const given = names.filter((name) => name !== undefined)
      assert.equal(new Set(given).size, given.length)
    }
  })

  it('gives a secret no flag', () => {
    assert.deepEqual(
      reference.filter(({ isSecret }) => isSecret === true).map(({ path, env, flag }) => [path, env, flag]),
      [['cluster.key', 'SHOAL_CLUSTER_KEY', undefined]],
    )
  })

  it('states defaults that each flag takes too', () => {
    for (const { path, flag, defaultValue } of reference) {
      if (flag === undefined || defaultValue === undefined) continue
      const value = [defaultValue].flat().map((item) => (typeof item === 'number' ? String(item) : (item as string)))
      assert.deepEqual(load({ flags: { [path]: value } }), load({}), path)
    }
  })

  it('names settings inside registries and listeners too', () => {
    const paths = reference.map(({ path }) => path)
    assert.ok(paths.includes('registries.<namespace>.caFile'))
    assert.ok(paths.includes('mirror.listeners[].namespace'))
  })
})
