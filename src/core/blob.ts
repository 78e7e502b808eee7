import type { Digest } from './digest.ts'

/** A blob named by its digest together with its exact size in bytes; the size fixes where its chunks begin. */
export interface BlobRef {
  readonly digest: Digest
  readonly sizeBytes: number
}

/** A place at an origin registry: containerd's namespace (the registry host, `docker.io`, `registry.test:5000`) and a repository in it. */
export interface OriginRef {
  readonly namespace: string
  readonly repository: string
}

/** A place at an origin together with a right to read there, to be used for whoever gave it and for nothing else. */
export interface OriginGrant extends OriginRef {
  /** The value of an Authorization header, as a client sent it; secret. */
  readonly authorization?: string | undefined
}
