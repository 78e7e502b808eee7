import { type Digest, digestOf } from '../../../src/core/index.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Pushes an image of one layer to a registry, by the distribution API's monolithic uploads. */
export async function pushImage(
  url: string,
  repository: string,
  tag: string,
  layer: Uint8Array,
): Promise<{ manifestDigest: Digest }> {
  const base = `${url}/v2/${repository}`
  const config = Buffer.from('{"os":"linux","architecture":"amd64"}')
  await pushBlob(base, config)
  await pushBlob(base, layer)
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.byteLength,
    },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(layer), size: layer.byteLength },
    ],
  })
  await send(`${base}/manifests/${tag}`, { method: 'PUT', headers: { 'content-type': MANIFEST }, body: manifest })
  return { manifestDigest: digestOf(Buffer.from(manifest)) }
}

async function pushBlob(base: string, bytes: Uint8Array): Promise<void> {
  const started = await send(`${base}/blobs/uploads/`, { method: 'POST' })
  const location = new URL(started.headers.get('location') ?? '', base)
  location.searchParams.set('digest', digestOf(bytes))
  const headers = { 'content-type': 'application/octet-stream' }
  await send(location, { method: 'PUT', headers, body: new Uint8Array(bytes) })
}

async function send(url: string | URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (!response.ok)
    throw new Error(`${init.method} ${String(url)} answered ${response.status}: ${await response.text()}`)
  return response
}
