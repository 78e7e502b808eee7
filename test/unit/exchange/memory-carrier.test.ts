import { channelConformance } from '../../conformance/exchange-carrier.ts'
import { memoryChannelPair } from '../../support/memory-carrier.ts'

channelConformance('memory', async () => {
  const [near, far] = memoryChannelPair(['near', 'far'])
  return { near, far, [Symbol.asyncDispose]: async () => near.abort(new Error('the test is over')) }
})
