import { randomBytes } from 'node:crypto'
import { type AbortOptions, digestOf } from '../../../src/core/index.ts'

/** A layer of an image that was pushed, with what it consists of. */
export interface PushedLayer {
  readonly digest: string
  readonly bytes: Buffer
}

/** An image in a registry. */
export interface PushedImage {
  readonly repository: string
  readonly tag: string
  readonly layers: readonly PushedLayer[]
}

const TAG = 'v1'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** A layer takes a second; a registry that is busy for a minute is broken. */
const UPLOAD_TIMEOUT_MS = 60_000

/** Pushes an image of layers of random bytes, so that no chunk of it is anywhere yet. */
export async function pushRandomImage(
  registryUrl: string,
  repository: string,
  layerBytes: readonly number[],
  options: AbortOptions,
): Promise<PushedImage> {
  const base = `${registryUrl}/v2/${repository}`
  const layers = layerBytes.map((size) => randomBytes(size)).map((bytes) => ({ digest: digestOf(bytes), bytes }))
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', repository }))
  for (const bytes of [config, ...layers.map((layer) => layer.bytes)]) await pushBlob(base, bytes, options)
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: CONFIG_TYPE, digest: digestOf(config), size: config.byteLength },
      layers: layers.map(({ digest, bytes }) => ({ mediaType: LAYER_TYPE, digest, size: bytes.byteLength })),
    }),
  )
  await send('PUT', `${base}/manifests/${TAG}`, MANIFEST_TYPE, manifest, options)
  return { repository, tag: TAG, layers }
}

/** OCI distribution specification, "Pushing a blob monolithically": POST, then PUT. */
async function pushBlob(base: string, bytes: Buffer, options: AbortOptions): Promise<void> {
  const begun = await send('POST', `${base}/blobs/uploads/`, 'application/octet-stream', undefined, options)
  const place = new URL(begun.headers.get('location') ?? '', base)
  place.searchParams.set('digest', digestOf(bytes))
  await send('PUT', place.href, 'application/octet-stream', bytes, options)
}

async function send(method: string, url: string, type: string, body: Buffer | undefined, { signal }: AbortOptions) {
  const timeout = AbortSignal.timeout(UPLOAD_TIMEOUT_MS)
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': type },
    body: body === undefined ? null : new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.byteLength),
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  })
  if (!answer.ok) throw new Error(`${method} ${url} was answered with ${answer.status}`)
  await answer.arrayBuffer()
  return answer
}
