/** Media types of the documents and blobs of images, in the OCI and the Docker spelling. */
export const MediaType = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  octetStream: 'application/octet-stream',
} as const

/** What a registry is asked for when a manifest or an index is wanted, the OCI types first. */
export const MANIFEST_ACCEPT: string = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerIndex,
  MediaType.dockerManifest,
].join(', ')

/** Whether a document lists the parts of one image or points at the manifests of several. */
export type ManifestKind = 'manifest' | 'index'

/** The kind that a media type stands for, or `undefined` when it is neither a manifest nor an index. */
export function manifestKindOf(mediaType: string): ManifestKind | undefined {
  if (mediaType === MediaType.ociManifest || mediaType === MediaType.dockerManifest) return 'manifest'
  if (mediaType === MediaType.ociIndex || mediaType === MediaType.dockerIndex) return 'index'
  return undefined
}

/** The media type in a Content-Type header: lower case, without parameters. */
export function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}
