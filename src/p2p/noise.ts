import { type NoiseInit, noise } from '@chainsafe/libp2p-noise'
import type { ConnectionEncrypter } from '@libp2p/interface'
import type { ClusterKey } from './cluster-key.ts'
import { noiseCrypto } from './noise-crypto.ts'
import { corkPerTick } from './socket-cork.ts'

type NoiseFactory = ReturnType<typeof noise>

/**
 * Noise (libp2p's XX handshake) that only ends with the same cluster key complete: the key is in the prologue, so it
 * costs nothing per byte, and a stranger is gone after the first message of the handshake. Without a key anyone may.
 */
export function clusterNoise(clusterKey: ClusterKey | undefined): NoiseFactory {
  const init: NoiseInit = { crypto: noiseCrypto }
  if (clusterKey !== undefined) init.prologueBytes = clusterKey.prologue()
  const create = noise(init)
  return (components) => withCork(create(components))
}

function withCork<T>(encrypter: ConnectionEncrypter<T>): ConnectionEncrypter<T> {
  const secureInbound = encrypter.secureInbound.bind(encrypter)
  const secureOutbound = encrypter.secureOutbound.bind(encrypter)
  encrypter.secureInbound = (connection, options) => {
    corkPerTick(connection)
    return secureInbound(connection, options)
  }
  encrypter.secureOutbound = (connection, options) => {
    corkPerTick(connection)
    return secureOutbound(connection, options)
  }
  return encrypter
}
