/** The formats that readings and aggregates have in topics: JSON, or Avro with a schema registry. */
import { openAvroSerde, type SchemaRegistry, type Serde } from '../index.ts'
import { aggregateSerde, type Aggregate } from './aggregate.ts'
import { parseReading, readingSerde, type Reading } from './reading.ts'

/** How readings and aggregates are written and read. */
export interface SensorSerdes {
  readonly reading: Serde<Reading>
  /** Readings in the late side output. */
  readonly late: Serde<Reading>
  readonly aggregate: Serde<Aggregate>
}

/** As canonical JSON. */
export const JSON_SENSOR_SERDES: SensorSerdes = {
  reading: readingSerde,
  late: readingSerde,
  aggregate: aggregateSerde,
}

/** A topic and the Avro schema of its values, as JSON text. */
export interface TopicSchema {
  readonly topic: string
  readonly schema: string
}

/** What is written as Avro, where. */
export interface AvroSensorTopics {
  readonly readings: TopicSchema
  readonly late: TopicSchema
  readonly aggregates: TopicSchema
}

/** As Avro; the schemas are registered under `<topic>-value`. Rejects as `openAvroSerde` does. */
export async function openAvroSensorSerdes(
  registry: SchemaRegistry,
  { readings, late, aggregates }: AvroSensorTopics,
): Promise<SensorSerdes> {
  const { topic, schema } = aggregates
  const aggregate = await openAvroSerde<Aggregate>({ registry, subject: `${topic}-value`, schema })
  return {
    reading: await openAvroReadingSerde(registry, readings),
    late: await openAvroReadingSerde(registry, late),
    aggregate: { ...aggregate, name: 'aggregate' },
  }
}

/** Readings of one topic as Avro; reading bytes also checks them, with the errors of `parseReading`. */
export async function openAvroReadingSerde(
  registry: SchemaRegistry,
  { topic, schema }: TopicSchema,
): Promise<Serde<Reading>> {
  const avro = await openAvroSerde<unknown>({ registry, subject: `${topic}-value`, schema })
  return {
    ...avro,
    name: 'reading',
    // Avro has no missing fields: null and false stand for them.
    deserialize(buffer, start, end) {
      const fields = avro.deserialize(buffer, start, end) as Record<keyof Reading, unknown>
      return parseReading(fields.synthetic === true ? fields : { ...fields, synthetic: null })
    },
  }
}
