/** The embedded log: what the rest of millrace may use of it. */
export type { BrokerConnection, BrokerMethod } from './broker-connection.ts'
export { callMethod, connectionThrough } from './broker-connection.ts'
export { createInMemoryBroker, EmbeddedBroker, type BrokerOptions } from './broker.ts'
export type { CleaningOptions } from './cleaner.ts'
export { EmbeddedLog, type EmbeddedLogOptions } from './embedded-log.ts'
export { createInMemoryLog } from './in-memory-log.ts'
export { openEmbeddedLog, type OpenEmbeddedLogOptions } from './open-embedded-log.ts'
