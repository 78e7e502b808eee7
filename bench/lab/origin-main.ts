/** The origin registry of the lab as a process of its own, in the origin's place. */
import { OriginServer } from './origin-server.ts'
import { serveCalls } from './serve-calls.ts'
import { SyntheticImage } from './synthetic-image.ts'

const server = new OriginServer()

serveCalls({
  listen: async ({ address }: { readonly address: string }) => await server.listen(address),
  counts: async () => server.counts,
  add: async ({
    repository,
    seed,
    layerBytes,
  }: {
    repository: string
    seed: string
    layerBytes: readonly number[]
  }) => {
    const image = new SyntheticImage(seed, layerBytes)
    server.add(repository, image)
    return { imageBytes: image.blobBytes, layers: image.layers.map(({ digest, size }) => ({ digest, size })) }
  },
})
