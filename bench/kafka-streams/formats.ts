/** The formats of readings and results, and what each side has to be told of them. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { ConfluentRegistry } from '../../src/index.ts'
import { openAvroSensorSerdes, type TopicSchema } from '../../src/sensors/sensor-serdes.ts'
import { packageFolder } from '../../test/support/kafka/maven.ts'
import type { Result } from './expected.ts'
import type { BenchReading } from './readings.ts'

/** How values are written and read. */
export interface ValueFormat {
  readonly name: 'JSON' | 'Avro'
  encodeReading(reading: BenchReading): string | Buffer
  /** The event time that an encoded reading tells. */
  eventTimeOf(value: Buffer): number
  decodeResult(value: Buffer): Result
  readonly millraceArguments: readonly string[]
  readonly peerSettings: Readonly<Record<string, string>>
}

/** JSON on both sides. */
export const JSON_FORMAT: ValueFormat = {
  name: 'JSON',
  encodeReading: ({ eventId, sensorId, timestamp, hundredths }) =>
    JSON.stringify({ eventId, sensorId, timestamp, temperature: hundredths / 100 }),
  eventTimeOf: (value) => (JSON.parse(value.toString()) as { timestamp: number }).timestamp,
  decodeResult: (value) => JSON.parse(value.toString()) as Result,
  millraceArguments: [],
  peerSettings: { format: 'json' },
}

/**
 * Avro behind Confluent's header. millrace asks the registry, as it always does; the peer is told the ids of the
 * schemas, which it knows, and needs no registry.
 */
export async function openAvroFormat(registryUrl: string): Promise<ValueFormat> {
  const { reading, aggregate } = await openAvroSensorSerdes(new ConfluentRegistry({ url: registryUrl }), {
    readings: schemaOf('readings'),
    late: schemaOf('readings.late'),
    aggregates: schemaOf('aggregates'),
  })
  const encodeReading = ({ eventId, sensorId, timestamp, hundredths }: BenchReading): Buffer => {
    return bytesOf(reading.serialize({ eventId, sensorId, timestamp, temperature: hundredths / 100 }))
  }
  const sample = { eventId: 'e', sensorId: 's', timestamp: 0, hundredths: 0, partition: 0 }
  const result = { sensorId: 's', windowStart: 0, windowEnd: 1, count: 1, sum: 0, min: 0, max: 0 }
  const sampleResult = aggregate.serialize({ ...result, mean: 0, deviated: 0, synthetic: 0 })
  return {
    name: 'Avro',
    encodeReading,
    eventTimeOf: (value) => reading.deserialize(value, 0, value.length).timestamp,
    decodeResult: (value) => aggregate.deserialize(value, 0, value.length),
    millraceArguments: ['--registry', registryUrl],
    peerSettings: {
      format: 'avro',
      'avro.reading.id': String(encodeReading(sample).readInt32BE(1)),
      'avro.aggregate.id': String(bytesOf(sampleResult).readInt32BE(1)),
    },
  }
}

function bytesOf(serialized: Buffer | string | null): Buffer {
  if (!Buffer.isBuffer(serialized)) throw new Error('Avro is bytes')
  return serialized
}

function schemaOf(topic: string): TopicSchema {
  const file = path.join(packageFolder(), 'schemas', `${topic}-value.avsc`)
  return { topic, schema: readFileSync(file, 'utf8') }
}
