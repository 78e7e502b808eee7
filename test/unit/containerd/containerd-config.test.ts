import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectContainerdConfig } from '../../../src/containerd/containerd-config.ts'

const CERTS_DIR = '/etc/containerd/certs.d'
const IMAGES = "[plugins.'io.containerd.cri.v1.images']"

function problems(text: string): readonly string[] {
  return inspectContainerdConfig(text, CERTS_DIR).problems
}

describe("containerd's own configuration", () => {
  it('is fine when config_path names the one folder, in each version of the format', () => {
    const sections = [
      'plugins.cri.registry',
      'plugins."io.containerd.grpc.v1.cri".registry',
      "plugins.'io.containerd.cri.v1.images'.registry",
    ]
    for (const [index, section] of sections.entries()) {
      const report = inspectContainerdConfig(
        `version = ${index + 1}\n[${section}]\nconfig_path = "${CERTS_DIR}/"\n`,
        CERTS_DIR,
      )
      assert.deepEqual(report, { version: index + 1, configPath: `${CERTS_DIR}/`, problems: [] })
    }
  })

  it('does not read the folder without config_path or with that of another', () => {
    assert.match(problems('version = 2').join(), /not set/)
    assert.match(problems(`version = 3\n${IMAGES}\nregistry.config_path = "/elsewhere"`).join(), /does not read/)
  })

  it('falls into the trap of several folders from 2.1 on', () => {
    const list = `registry.config_path = "${CERTS_DIR}:/etc/docker/certs.d"`
    assert.match(problems(`version = 3\n${IMAGES}\n${list}`).join(), /takes the whole list as one folder/)
  })

  it('stays out of that trap by any setting that makes it pull without the transfer service', () => {
    const list = `registry.config_path = "${CERTS_DIR}:/etc/docker/certs.d"`
    for (const way of [
      'use_local_image_pull = true',
      'discard_unpacked_layers = true',
      'max_concurrent_downloads = 5',
    ]) {
      assert.deepEqual(problems(`version = 3\n${IMAGES}\n${way}\n${list}`), [], way)
    }
    assert.equal(problems(`version = 3\n${IMAGES}\nmax_concurrent_downloads = 3\n${list}`).length, 1)
  })

  it('has legacy mirrors beside config_path', () => {
    const text = `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "${CERTS_DIR}"\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\nendpoint = ["https://a"]`
    assert.match(problems(text).join(), /registry\.mirrors beside config_path/)
  })

  it('is not TOML', () => {
    assert.match(problems('= 1').join(), /not TOML/)
  })
})
