import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  ConfigError,
  configReference,
  formatDuration,
  formatListenAddress,
  formatSize,
  parseDuration,
  parseListenAddress,
  parseSize,
} from '../../src/config/index.ts'
import { ConfigFolder, load } from '../support/config-sources.ts'

let folder: ConfigFolder
before(async () => {
  folder = await ConfigFolder.make()
})
after(async () => await folder[Symbol.asyncDispose]())

const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('localhost'))

describe('values of settings', () => {
  it('reads back every size it writes', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (sizeBytes) => assert.equal(parseSize(formatSize(sizeBytes)), sizeBytes)))
    const round = fc.tuple(fc.nat(2000), fc.nat(4)).map(([count, power]) => count * 1024 ** power)
    fc.assert(fc.property(round, (sizeBytes) => assert.equal(parseSize(formatSize(sizeBytes)), sizeBytes)))
  })

  it('reads back every duration it writes', () => {
    fc.assert(fc.property(fc.nat(), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)))
  })

  it('reads back every address it writes', () => {
    fc.assert(
      fc.property(host, fc.nat(65_535), (name, port) => {
        assert.deepEqual(parseListenAddress(formatListenAddress({ host: name, port })), { host: name, port })
      }),
    )
  })

  it('takes any text for a value in range or for none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,20}[a-zA-Z%]{0,3}$/)), (text) => {
        for (const number of [parseSize(text), parseDuration(text)]) {
          assert.ok(number === undefined || (Number.isSafeInteger(number) && number >= 0))
        }
        const address = parseListenAddress(text)
        assert.ok(address === undefined || (address.port >= 0 && address.port <= 65_535))
      }),
    )
  })
})

/** Names and values that are nearly right, so that every part of the schema is reached. */
const names = configReference().flatMap(({ path }) =>
  path.replace('<namespace>', 'quay.io').split(/\.(?=[a-z])|\[\]\.?/),
)
const scalar = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom('50GiB', '30s', '127.0.0.1:1', '10%', 'verify'),
)
const { tree } = fc.letrec((tie) => ({
  tree: fc.dictionary(
    fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.string() }),
    tie('value'),
    {
      maxKeys: 6,
    },
  ),
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(scalar, { maxLength: 3 }), tie('tree')),
}))

describe('a whole configuration', () => {
  it('is taken or refused with reasons, whatever the file says', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          tree.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        takenOrRefused,
      ),
      { numRuns: 300 },
    )
  })

  it('is taken or refused with reasons, whatever flags and variables say', () => {
    const settings = configReference().filter(({ flag }) => flag !== undefined)
    fc.assert(
      fc.property(fc.constantFrom(...settings), fc.string(), fc.boolean(), ({ path, env }, value, isFlag) => {
        const sources = isFlag ? { flags: { [path]: value } } : { env: { [env ?? '']: value } }
        orRefused(() => load(sources))
      }),
      { numRuns: 300 },
    )
  })
})

function takenOrRefused(text: string): void {
  orRefused(() => load({ file: folder.write(text) }))
}

function orRefused(work: () => void): void {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.ok(error.problems.length > 0)
    for (const { reason, source } of error.problems) assert.ok(reason !== '' && source !== '')
  }
}
