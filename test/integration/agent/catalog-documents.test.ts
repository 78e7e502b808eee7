import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CatalogDocuments } from '../../../src/agent/catalog-documents.ts'
import { catalogLab } from '../../support/catalog-fakes.ts'
import { startFaultRegistry } from '../../support/fault-registry.ts'
import { testScope } from '../../support/scope.ts'
import { clientOf } from '../origin/origin-client-fixture.ts'

suite('referrers', () => {
  test('are joined from all pages of the origin, of which there may not be endlessly many', async (t) => {
    const scope = testScope(t)
    const registry = scope.use(await startFaultRegistry())
    const { client } = scope.use(clientOf(registry))
    const image = registry.addImage('lib/app', 'v1', [Buffer.from('layer')])
    const documents = new CatalogDocuments({ catalog: catalogLab().catalog, origin: client })
    const headers = { link: `</v2/lib/app/referrers/${image.digest}?artifactType=a%2Fb&page=2>; rel="next"` }
    const ask = async () =>
      await documents.referrers({ namespace: registry.host, repository: 'lib/app' }, image.digest, {
        artifactType: 'a/b',
      })

    registry.faults.add({ on: 'referrers', times: 1, fault: { kind: 'headers', headers } })
    assert.ok(await ask())
    assert.deepEqual(
      registry.stats.requests.map(({ path }) => path.split('?')[1]),
      ['artifactType=a%2Fb', 'artifactType=a%2Fb&page=2'],
    )

    registry.faults.add({ on: 'referrers', fault: { kind: 'headers', headers } })
    assert.ok(await ask())
    assert.ok(registry.stats.count() < 20)
  })
})
