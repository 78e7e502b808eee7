import type { Digest } from '../core/index.ts'

/** Passes on which blobs leave the store; the store is opened before there is anyone to tell. */
export class Removals {
  #listener: (digest: Digest) => void = () => undefined

  tell(digest: Digest): void {
    this.#listener(digest)
  }

  listen(listener: (digest: Digest) => void): void {
    this.#listener = listener
  }
}
