/** The same broker and registry as containers, for machines where Docker runs. Started by testcontainers. */
import { freePorts } from './java-process.ts'
import { KAFKA_VERSION } from './maven.ts'

const KAFKA_IMAGE = `apache/kafka:${KAFKA_VERSION}`
const REGISTRY_IMAGE = 'apicurio/apicurio-registry-mem:2.6.13.Final'
const REGISTRY_PORT = 8080
const START_LIMIT_MS = 180_000

/** A container that serves at `address` until it is stopped. */
export interface RunningContainer {
  readonly address: string
  stop(): Promise<void>
}

/** Whether a container engine answers. Never rejects. */
export async function dockerRuns(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  try {
    await getContainerRuntimeClient()
    return true
  } catch {
    return false
  }
}

/** A broker with plain listener; the address is `127.0.0.1:PORT`. */
export async function startKafkaContainer(): Promise<RunningContainer> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const port = (await freePorts(1))[0]!
  const container = await new GenericContainer(KAFKA_IMAGE)
    .withEnvironment(kafkaEnvironment(port))
    .withExposedPorts({ container: 9092, host: port })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withStartupTimeout(START_LIMIT_MS)
    .start()
  return { address: `127.0.0.1:${port}`, stop: () => container.stop().then(() => undefined) }
}

/** A registry; the address is what `--registry` takes. */
export async function startRegistryContainer(): Promise<RunningContainer> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const container = await new GenericContainer(REGISTRY_IMAGE)
    .withExposedPorts(REGISTRY_PORT)
    .withWaitStrategy(Wait.forHttp('/apis/ccompat/v7/subjects', REGISTRY_PORT))
    .withStartupTimeout(START_LIMIT_MS)
    .start()
  const address = `http://${container.getHost()}:${container.getMappedPort(REGISTRY_PORT)}/apis/ccompat/v7`
  return { address, stop: () => container.stop().then(() => undefined) }
}

/**
 * Clients see the port of the host; the broker reaches itself (transaction markers go over the network) by a
 * listener inside the container.
 */
function kafkaEnvironment(port: number): Record<string, string> {
  return {
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_LISTENERS: 'PLAINTEXT://0.0.0.0:9092,INTERNAL://localhost:9094,CONTROLLER://localhost:9093',
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port},INTERNAL://localhost:9094`,
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '500',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
  }
}
