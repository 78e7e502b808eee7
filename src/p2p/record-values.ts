import type { kadDHT } from '@libp2p/kad-dht'

/** Where libp2p keeps provider records. */
export type RecordDatastore = Parameters<ReturnType<typeof kadDHT>>[0]['datastore']

/**
 * Has `datastore` keep a copy of each value. A provider record is eight bytes long and libp2p cuts it out of Node's shared
 * slab of 64 KiB, all of which stays in memory as long as the record does: up to two days.
 */
export function keepCopies(datastore: RecordDatastore): void {
  const put = datastore.put.bind(datastore)
  datastore.put = (key, value, options) => put(key, new Uint8Array(value), options)
}
