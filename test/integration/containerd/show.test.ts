import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ContainerdFilesError, configureContainerd, showContainerd } from '../../../src/containerd/index.ts'
import { CertsDir } from '../../support/certs-dir.ts'

const MIRROR = 'http://127.0.0.1:5000'

async function show(certsDir: CertsDir) {
  const { registries } = await showContainerd({ certsDir: certsDir.path })
  return registries.map(({ namespace, state, asks }) => [namespace, state, ...asks.map(({ url }) => url)])
}

describe('showing what containerd asks', () => {
  it('lists the hosts of each registry in their order, the registry itself last', async () => {
    await using certsDir = await CertsDir.make({
      'docker.io/hosts.toml': '[host."https://mirror.example"]\n',
      'own.example_5000_/hosts.toml':
        'server = "https://origin.example"\n[host."https://z.example"]\n[host."https://a.example"]\n',
      'broken.example/hosts.toml': '= 1',
    })
    assert.deepEqual(await show(certsDir), [
      ['broken.example', 'unreadable', 'https://broken.example'],
      ['docker.io', 'foreign', 'https://mirror.example', 'https://registry-1.docker.io'],
      ['own.example:5000', 'foreign', 'https://z.example', 'https://a.example', 'https://origin.example'],
    ])
    await configureContainerd({ certsDir: certsDir.path, mirrorUrl: MIRROR })
    assert.deepEqual(await show(certsDir), [
      ['_default', 'ours', MIRROR, 'the registry itself'],
      ['broken.example', 'unreadable', 'https://broken.example'],
      ['docker.io', 'ours', MIRROR, 'https://mirror.example', 'https://registry-1.docker.io'],
      ['own.example:5000', 'ours', MIRROR, 'https://z.example', 'https://a.example', 'https://origin.example'],
    ])
  })

  it('tells files of ours that were edited, and registries that pass us by', async () => {
    await using certsDir = await CertsDir.make()
    await configureContainerd({ certsDir: certsDir.path, mirrorUrl: MIRROR, namespaces: ['_default', 'quay.io'] })
    await certsDir.put({
      '_default/hosts.toml': `${await certsDir.read('_default/hosts.toml')}# mine\n`,
      'new.example/hosts.toml': '[host."https://mirror.example"]\n',
      'quay.io/hosts.toml': (await certsDir.read('quay.io/hosts.toml')).replace(
        '[host',
        '[host."https://first.example"]\n[host',
      ),
    })
    assert.deepEqual(
      (await show(certsDir)).map(([namespace, state]) => [namespace, state]),
      [
        ['_default', 'drifted'],
        ['new.example', 'foreign'],
        ['quay.io', 'foreign'],
      ],
    )
  })

  it("looks into containerd's own configuration when told where it is", async () => {
    await using certsDir = await CertsDir.make({ 'config.toml': 'version = 2\n' })
    const file = join(certsDir.path, 'config.toml')
    const { config } = await showContainerd({ certsDir: certsDir.path, containerdConfigFile: file })
    assert.match(config?.problems.join() ?? '', /config_path is not set/)
    await assert.rejects(
      showContainerd({ certsDir: certsDir.path, containerdConfigFile: `${file}.missing` }),
      ContainerdFilesError,
    )
  })
})
