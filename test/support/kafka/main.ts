/**
 * `npm run kafka`: the broker and the registry that the tests use, for those without Docker. Runs until it is
 * told to stop, and leaves nothing running, nor any data unless `--data` names where.
 */
import { parseArgs } from 'node:util'
import { startBroker, type KafkaBroker } from './broker.ts'
import { startRegistry, type SchemaRegistry } from './registry.ts'

const USAGE = `npm run kafka -- [options]

  --port PORT           port of the broker on 127.0.0.1 (a free one)
  --registry-port PORT  port of the schema registry on 127.0.0.1 (a free one)
  --no-registry         the broker only
  --data DIR            keep the broker's data there, and go on with it (a temporary folder, removed)
`

interface Choices {
  readonly port: number | undefined
  readonly registryPort: number | undefined
  readonly registry: boolean
  readonly data: string | undefined
}

async function main(): Promise<void> {
  const choices = readChoices()
  if (choices === null) return
  const servers: (KafkaBroker | SchemaRegistry)[] = []
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
  process.stderr.write('starting (the first time, Maven fetches Kafka and the registry) …\n')
  const starting = Promise.allSettled([
    startKafka(choices).then((broker) => servers.push(broker)),
    choices.registry ? startRegistryFor(choices).then((registry) => servers.push(registry)) : undefined,
  ])
  const failed = await Promise.race([starting.then(failureIn), asked.then(() => null)])
  if (failed === null) await asked
  await starting
  await Promise.all(servers.map((server) => server.stop()))
  if (failed !== null) throw failed
}

async function startKafka({ port, data }: Choices): Promise<KafkaBroker> {
  const broker = await startBroker({
    ...(port === undefined ? {} : { port }),
    ...(data === undefined ? {} : { dataFolder: data }),
  })
  process.stdout.write(`kafka     ${broker.brokers}\n`)
  return broker
}

async function startRegistryFor({ registryPort }: Choices): Promise<SchemaRegistry> {
  const registry = await startRegistry(registryPort === undefined ? {} : { port: registryPort })
  process.stdout.write(`registry  ${registry.url}\n`)
  return registry
}

function failureIn(results: readonly PromiseSettledResult<unknown>[]): Error | null {
  const failed = results.find((result) => result.status === 'rejected')
  return failed === undefined ? null : (failed.reason as Error)
}

function readChoices(): Choices | null {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      'registry-port': { type: 'string' },
      'no-registry': { type: 'boolean' },
      data: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return null
  }
  return {
    port: portOf(values.port),
    registryPort: portOf(values['registry-port']),
    registry: values['no-registry'] !== true,
    data: values.data,
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) throw new Error(`not a port: ${text}`)
  return port
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
