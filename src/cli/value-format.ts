/** Whether readings and results are JSON or Avro, and the serdes for it. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { FatalError, messageOf } from '../errors.ts'
import { RecordCursor, type RecordBatches } from '../log/record-cursor.ts'
import { withRetries } from '../runtime/retry.ts'
import { anyAvroSerde } from '../serde/avro-serde.ts'
import { ConfluentRegistry } from '../serde/confluent-registry.ts'
import type { Serde } from '../serde/serde.ts'
import type { Reading } from '../sensors/reading.ts'
import {
  JSON_SENSOR_SERDES,
  openAvroReadingSerde,
  openAvroSensorSerdes,
  type SensorSerdes,
  type TopicSchema,
} from '../sensors/sensor-serdes.ts'
import { SENSOR_DEFAULTS } from '../sensors/sensor-topology.ts'
import type { CommandContext } from './command.ts'
import { lateTopicOf } from './import-records.ts'
import type { ResolvedSettings } from './resolve-settings.ts'
import type { Settings } from './settings.ts'

/** What opening serdes needs of a command's context. */
export type SerdeContext = Pick<CommandContext, 'settings' | 'clock' | 'random' | 'packageRoot'>

/** How long a registry that cannot be reached is tried at the start. */
const PATIENCE_MS = 30_000

/** Settings of the format that contradict each other. */
export function formatProblems({ values }: ResolvedSettings): readonly string[] {
  if (values.valueFormat !== 'avro' || values.registry !== undefined) return []
  return ['Avro needs the address of a schema registry: --registry URL']
}

/** Serdes of the application's topics. */
export function openSensorSerdes(context: SerdeContext): Promise<SensorSerdes> {
  const { settings } = context
  const registry = registryOf(settings)
  if (registry === undefined) return Promise.resolve(JSON_SENSOR_SERDES)
  return withRetries(context, PATIENCE_MS, async () =>
    openAvroSensorSerdes(registry, {
      readings: { topic: settings.topic, schema: await schemaOf(context, 'readings') },
      late: { topic: lateTopicOf(settings.topic), schema: await schemaOf(context, 'readings.late') },
      aggregates: {
        topic: SENSOR_DEFAULTS.aggregatesTopic,
        schema: await schemaOf(context, SENSOR_DEFAULTS.aggregatesTopic),
      },
    }),
  )
}

/** The serde of the readings in a topic. */
export function openReadingSerde(context: CommandContext, topic: string): Promise<Serde<Reading>> {
  const registry = registryOf(context.settings)
  if (registry === undefined) return Promise.resolve(JSON_SENSOR_SERDES.reading)
  return withRetries(context, PATIENCE_MS, async () => {
    const described: TopicSchema = { topic, schema: await schemaOf(context, 'readings') }
    return openAvroReadingSerde(registry, described)
  })
}

/** Shows Avro values of any topic as JSON; what is no Avro stays as it is. */
export class AvroValues {
  private readonly context: CommandContext
  private readonly serde: Serde<unknown> | undefined
  private readonly cursor = new RecordCursor()

  /** Without a registry every value stays as it is. */
  constructor(context: CommandContext) {
    const registry = registryOf(context.settings)
    this.context = context
    this.serde = registry === undefined ? undefined : anyAvroSerde(registry)
  }

  /** Fetches the schemas that these records name. */
  async prepare(batches: RecordBatches): Promise<void> {
    const lookup = this.serde?.lookup
    if (lookup === undefined) return
    let missing = false
    this.cursor.reset(batches)
    while (this.cursor.next()) {
      const { buffer, valueStart, valueEnd } = this.cursor
      if (valueEnd >= 0 && lookup.missing(buffer, valueStart, valueEnd)) missing = true
    }
    if (missing) await withRetries(this.context, PATIENCE_MS, () => lookup.fetch())
  }

  /** The value of the record at which `cursor` stands, as JSON where it is Avro of a known schema. */
  valueOf(cursor: RecordCursor): Buffer | null {
    const { buffer, valueStart, valueEnd } = cursor
    if (valueEnd < 0 || this.serde === undefined || buffer[valueStart] !== 0) return cursor.value()
    try {
      return Buffer.from(JSON.stringify(this.serde.deserialize(buffer, valueStart, valueEnd), bytesAsBase64))
    } catch {
      return cursor.value()
    }
  }
}

function registryOf({ registry, valueFormat }: Settings): ConfluentRegistry | undefined {
  if (registry === undefined || valueFormat === 'json') return undefined
  return new ConfluentRegistry({ url: registry })
}

/** The schema of a topic's values as it comes with the package. */
async function schemaOf({ packageRoot }: SerdeContext, topic: string): Promise<string> {
  const file = path.join(packageRoot, 'schemas', `${topic}-value.avsc`)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new FatalError('PACKAGE_INCOMPLETE', `The schema ${file} cannot be read: ${messageOf(error)}`)
  }
}

function bytesAsBase64(_name: string, value: unknown): unknown {
  const bytes = value as { type?: unknown; data?: unknown } | null
  if (typeof bytes !== 'object' || bytes?.type !== 'Buffer' || !Array.isArray(bytes.data)) return value
  return Buffer.from(bytes.data as number[]).toString('base64')
}
