/**
 * Pulls that nobody waits for with a socket: a whole image into this agent's store.
 * Promise: each blob is fetched as for a client and verified whole; ending the call cancels what only it wanted.
 * Owns the pulls under way, nothing else.
 */
export {
  type ImagePullComponents,
  type ImagePullOptions,
  type PullEvent,
  pullImage,
} from './image-pull.ts'
