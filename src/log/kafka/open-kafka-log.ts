/** Opens a log on a Kafka cluster. */
import { systemClock, systemRandom } from '../../clock.ts'
import { ConfigError } from '../../errors.ts'
import type { Log } from '../log.ts'
import { Cluster } from './cluster/cluster.ts'
import { loadCodecs } from './codec/codecs.ts'
import { KafkaLog } from './kafka-log.ts'
import type { KafkaLogOptions } from './options.ts'
import type { Address } from './transport/channel.ts'
import { createTransport, openSystemSocket } from './transport/kafkajs.ts'

const CLIENT_ID = 'millrace'
const REQUEST_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 10_000
const DEFAULT_REPLICAS = -1

/**
 * A client of the cluster, once one of its brokers has answered.
 *
 * `FatalError`: `LOG_UNREACHABLE` (no broker answered in time), `AUTHENTICATION_FAILED`, `TLS_FAILED`,
 * `LOG_VERSION_UNSUPPORTED` (older than Kafka 3.5), `ACCESS_DENIED`. `ConfigError`: an address that is none.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  const requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
  const clientId = options.clientId ?? CLIENT_ID
  const shared = { connectTimeoutMs: Math.min(connectTimeoutMs, requestTimeoutMs) }
  const transport = createTransport({
    ...shared,
    clientId,
    ssl: options.ssl ?? false,
    sasl: options.sasl ?? null,
    openSocket: options.openSocket ?? openSystemSocket,
  })
  const parts = { ...shared, transport, clock: options.clock ?? systemClock, requestTimeoutMs }
  const cluster = new Cluster(parts, bootstrapOf(options), clientId)
  try {
    await Promise.all([cluster.open(connectTimeoutMs), loadCodecs()])
  } catch (error) {
    cluster.close()
    throw error
  }
  return new KafkaLog({
    cluster,
    compression: options.compression ?? 'none',
    transactionVersion: options.transactionVersion ?? 2,
    replicas: options.replicationFactor ?? DEFAULT_REPLICAS,
  })
}

/** Each client begins somewhere else in the list, so that not all of them ask the first broker. */
function bootstrapOf({ brokers, random = systemRandom }: KafkaLogOptions): Address[] {
  const addresses = addressesOf(brokers)
  const first = Math.floor(random.fraction() * addresses.length)
  return [...addresses.slice(first), ...addresses.slice(0, first)]
}

/** `host:port`, the host of an IPv6 address in brackets. */
function addressesOf(brokers: readonly string[]): Address[] {
  const problems: string[] = []
  const addresses: Address[] = []
  for (const broker of brokers) {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(broker.trim()) ?? []
    const host = bracketed ?? plain
    if (host === undefined || Number(port) > 65_535) problems.push(`brokers: '${broker}' is not host:port`)
    else addresses.push({ host, port: Number(port) })
  }
  if (brokers.length === 0) problems.push('brokers: none is given')
  if (problems.length > 0) throw new ConfigError(problems)
  return addresses
}
