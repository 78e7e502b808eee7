import { ShoalError } from '../core/index.ts'

/** A bootstrap address that is no multiaddr with a PeerId, such as `/ip4/10.0.0.1/tcp/4001/p2p/12D3KooW...`. */
export class InvalidBootstrapAddressError extends ShoalError {
  constructor(address: string) {
    super(`bootstrap address ${address.slice(0, 200)} is not a multiaddr that ends in /p2p/PEERID`, {
      code: 'INVALID_BOOTSTRAP_ADDRESS',
      blame: 'caller',
      retryable: false,
    })
  }
}
