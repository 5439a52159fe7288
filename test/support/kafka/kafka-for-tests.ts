/**
 * Where tests get a real broker from, in this order: KAFKA_BROKERS (and SCHEMA_REGISTRY), testcontainers where
 * Docker runs, Maven and Java. Where there is none, the tests say so and count as skipped:
 *
 *     const kafka = await kafkaForTests()
 *     describe.skipIf(kafka === null)('the adapter', () => { ... kafka!.brokers ... })
 *
 * With REQUIRE_KAFKA=1 a missing broker is an error instead, and so the test file fails.
 */
import { afterAll } from 'vitest'
import type { BrokerOptions } from './broker-properties.ts'
import { startBroker, type KafkaBroker } from './broker.ts'
import { missingForJava } from './maven.ts'
import { startRegistry, type SchemaRegistry } from './registry.ts'
import { ASK_AT, SharedServers, type Found, type ServerName } from './shared-servers.ts'

/** The broker that all test files of a run share: name your topics, groups and transactional ids apart. */
export interface KafkaForTests {
  /** `host:port`, several joined by commas. */
  readonly brokers: string
}

/** The registry that all test files of a run share. */
export interface RegistryForTests {
  readonly url: string
}

/** The shared broker, or null where this machine has none. */
export async function kafkaForTests(): Promise<KafkaForTests | null> {
  const address = await addressOf('kafka')
  return address === null ? null : { brokers: address }
}

/** The shared registry, or null where this machine has none. */
export async function registryForTests(): Promise<RegistryForTests | null> {
  const address = await addressOf('registry')
  return address === null ? null : { url: address }
}

/**
 * A broker of this test file's own, to be killed, frozen or secured, ended after the file's tests; null where
 * there is no Maven and Java. It starts with the first call of `broker()`.
 */
export function ownBrokerForTests(options: BrokerOptions = {}): { broker(): Promise<KafkaBroker> } | null {
  const missing = missingForJava()
  if (missing !== null) return absent(`no broker of its own: ${missing}`)
  let started: Promise<KafkaBroker> | null = null
  afterAll(async () => (await started)?.stop())
  return { broker: () => (started ??= startBroker(options)) }
}

/** A registry of this test file's own, to be killed or frozen, as `ownBrokerForTests`. */
export function ownRegistryForTests(): { registry(): Promise<SchemaRegistry> } | null {
  const missing = missingForJava()
  if (missing !== null) return absent(`no registry of its own: ${missing}`)
  let started: Promise<SchemaRegistry> | null = null
  afterAll(async () => (await started)?.stop())
  return { registry: () => (started ??= startRegistry()) }
}

/** Without the global setup (a single file run by other means) this process holds the servers itself. */
const own = new SharedServers()
let stopsOwn = false

async function addressOf(server: ServerName): Promise<string | null> {
  const found = await ask(server)
  return 'address' in found ? found.address : absent(found.missing)
}

async function ask(server: ServerName): Promise<Found> {
  const port = process.env[ASK_AT]
  if (port !== undefined) {
    const response = await fetch(`http://127.0.0.1:${port}/${server}`)
    if (!response.ok) throw new Error(`the shared ${server} did not start: ${await response.text()}`)
    return (await response.json()) as Found
  }
  if (!stopsOwn) afterAll(() => own.stop())
  stopsOwn = true
  return own.find(server)
}

function absent(reason: string): null {
  if (process.env['REQUIRE_KAFKA'] === '1') throw new Error(`REQUIRE_KAFKA is set, but ${reason}`)
  console.warn(`tests on a real broker are skipped: ${reason}`)
  return null
}
