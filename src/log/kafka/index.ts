/**
 * The Kafka log: what the rest of millrace may use of it. In `kafka/` lives the log port over a real cluster: the
 * requests (`wire/`), connections by way of KafkaJS (`transport/`), who leads what (`cluster/`), reading (`reader/`),
 * writing (`producer/`), compression (`codec/`). What never does: record contents, event time, state stores.
 */
import type { Log } from '../log.ts'
import type { KafkaLogOptions } from './options.ts'

export type { Compression, KafkaLogOptions, KafkaSasl, OpenSocket } from './options.ts'

/**
 * A client of the cluster, once one of its brokers has answered. The adapter is loaded when this is called: KafkaJS and
 * the codecs cost 30 MB and a sixth of a second, which applications on the embedded log are spared.
 *
 * `FatalError`: `LOG_UNREACHABLE` (no broker answered in time), `AUTHENTICATION_FAILED`, `TLS_FAILED`,
 * `LOG_VERSION_UNSUPPORTED` (older than Kafka 3.5), `ACCESS_DENIED`. `ConfigError`: an address that is none.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const adapter = await import('./open-kafka-log.ts')
  return adapter.openKafkaLog(options)
}
