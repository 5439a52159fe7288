/** What opening a Kafka log is told. */
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Clock, Random } from '../../clock.ts'

/** How a client proves who it is. */
export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  /** `token` is asked for each new connection; it brings a bearer token as the broker wants it. */
  | { readonly mechanism: 'oauthbearer'; readonly token: () => Promise<string> }

/** The codecs of record batches. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Opens a TCP connection, or a TLS one where `ssl` is given; calls `onConnect` once it stands. */
export type OpenSocket = (target: {
  readonly host: string
  readonly port: number
  readonly ssl: ConnectionOptions | null
  readonly onConnect: () => void
}) => Socket

/** Where the brokers are and how to talk to them. */
export interface KafkaLogOptions {
  /** `host:port` of some of the brokers; they tell of the others. */
  readonly brokers: readonly string[]
  /** The name that brokers log and quotas count. Default `millrace`. */
  readonly clientId?: string
  /** TLS: `true` for the system's authorities, or what `tls.connect` takes (`ca`, `cert`, `key` ...). Default none. */
  readonly ssl?: boolean | ConnectionOptions
  /** Default none. */
  readonly sasl?: KafkaSasl
  /** Of what producers send. Reading knows all of them. Default `none`. */
  readonly compression?: Compression
  /** Highest version of the transaction protocol to be used; brokers may have none higher than 1. Default 2. */
  readonly transactionVersion?: 1 | 2
  /** How long one request may take, connecting included, before its connection is given up. Default 30,000. */
  readonly requestTimeoutMs?: number
  /** How long opening tries to reach a broker. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** Replicas of the topics made here. Default the broker's own default. */
  readonly replicationFactor?: number
  /** Default the machine's. */
  readonly clock?: Clock
  readonly random?: Random
  /** How sockets are opened: for proxies, and for tests that cut connections. */
  readonly openSocket?: OpenSocket
}
