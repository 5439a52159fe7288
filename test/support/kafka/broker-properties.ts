/** What a broker for tests can do beyond the plain one, and its server.properties. */

import { kafkaIsAtLeast } from './maven.ts'

/** A user of the SASL listener, for SCRAM-SHA-256, SCRAM-SHA-512 and PLAIN alike. */
export interface BrokerUser {
  readonly name: string
  readonly password: string
}

/** What a broker is started with; all of it can be left out. */
export interface BrokerOptions {
  /** Where the log lives. Missing: a temporary folder, removed with `stop()`. */
  readonly dataFolder?: string
  /** Port of the plain listener. Missing: a free one. */
  readonly port?: number
  /**
   * A second listener, TLS with SASL (SCRAM-SHA-256, SCRAM-SHA-512, PLAIN, unsecured OAUTHBEARER), for these
   * users. The plain listener stays, for what a test prepares and looks at.
   */
  readonly users?: readonly BrokerUser[]
  /**
   * Kafka's StandardAuthorizer: who comes over the SASL listener may do only what ACLs allow. Who comes over
   * the plain listener (`User:ANONYMOUS`) may do everything, creating ACLs included.
   */
  readonly acls?: boolean
  /** Lines for server.properties, over what is set here: `{ 'message.max.bytes': '2000000' }`. */
  readonly properties?: Readonly<Record<string, string>>
  /** Heap of the JVM in MiB; 512. */
  readonly heapMiB?: number
}

/** Where a broker listens and keeps its files. */
export interface BrokerPlace {
  readonly plainPort: number
  readonly controllerPort: number
  /** Of the SASL listener; null where there is none. */
  readonly securePort: number | null
  readonly folder: string
  readonly keyStore: { readonly file: string; readonly password: string } | null
}

const BEARER = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule'
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule'
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule'

/** The text of server.properties. One node that is broker and controller; nothing is replicated. */
export function serverProperties(options: BrokerOptions, place: BrokerPlace): string {
  const properties: Record<string, string> = {
    ...nodeProperties(place),
    ...smallProperties(),
    ...(options.users === undefined ? {} : secureProperties(options.users, place)),
    ...(options.acls === true ? aclProperties() : {}),
    ...options.properties,
  }
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function nodeProperties(place: BrokerPlace): Record<string, string> {
  const { plainPort, controllerPort, securePort, folder } = place
  const clients = [`PLAINTEXT://127.0.0.1:${plainPort}`]
  if (securePort !== null) clients.push(`SECURE://127.0.0.1:${securePort}`)
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    listeners: [...clients, `CONTROLLER://127.0.0.1:${controllerPort}`].join(),
    'advertised.listeners': clients.join(),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    ...(kafkaIsAtLeast(3, 9)
      ? { 'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}` }
      : { 'controller.quorum.voters': `1@127.0.0.1:${controllerPort}` }),
    'log.dirs': `${folder}/data`,
  }
}

/**
 * One replica of everything, few partitions of the internal topics, groups that start at once. A broker that
 * was killed registers again only when its old session has ended, so sessions are short.
 */
function smallProperties(): Record<string, string> {
  return {
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'default.replication.factor': '1',
    'min.insync.replicas': '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '500',
    'auto.create.topics.enable': 'false',
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'controlled.shutdown.enable': 'false',
  }
}

function secureProperties(users: readonly BrokerUser[], place: BrokerPlace): Record<string, string> {
  if (place.keyStore === null) throw new Error('a TLS listener needs a key store')
  const plain = users.map(({ name, password }) => ` user_${name}="${password}"`).join('')
  const listener = 'listener.name.secure'
  return {
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER',
    [`${listener}.scram-sha-256.sasl.jaas.config`]: `${SCRAM} required;`,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: `${SCRAM} required;`,
    [`${listener}.plain.sasl.jaas.config`]: `${PLAIN} required${plain};`,
    [`${listener}.oauthbearer.sasl.jaas.config`]: `${BEARER} required unsecuredLoginStringClaim_sub="broker";`,
    [`${listener}.ssl.keystore.type`]: 'PKCS12',
    [`${listener}.ssl.keystore.location`]: place.keyStore.file,
    [`${listener}.ssl.keystore.password`]: place.keyStore.password,
    [`${listener}.ssl.key.password`]: place.keyStore.password,
  }
}

function aclProperties(): Record<string, string> {
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
    'allow.everyone.if.no.acl.found': 'false',
  }
}
