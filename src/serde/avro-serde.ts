/** Avro values with Confluent's wire format: a zero byte, the id of the writer's schema (4 bytes), the value. */
import type { Type } from 'avsc'
import { systemClock, type Clock } from '../clock.ts'
import { messageOf, RecordError, RetriableError } from '../errors.ts'
import type { Compatibility, SchemaRegistry } from './schema-registry.ts'
import type { Serde } from './serde.ts'
import { RECORD_UNREADABLE, RECORD_UNWRITABLE } from './utf8.ts'
import { parseAvro, schemaIdAt, WIRE_HEADER_BYTES, WriterSchemas, type Writer } from './writer-schemas.ts'

/** What `openAvroSerde` needs. */
export interface AvroSerdeOptions {
  readonly registry: SchemaRegistry
  /** Where the schema is registered, by convention `<topic>-value`. */
  readonly subject: string
  /** The Avro schema as JSON text: values are written with it, and read as it whatever they were written with. */
  readonly schema: string
  /** What a subject that has no compatibility of its own gets; BACKWARD. */
  readonly compatibility?: Compatibility
  /** False for one that only reads and registers nothing; true. */
  readonly writes?: boolean
  readonly clock?: Clock
}

const FIRST_SCRATCH_BYTES = 1024

/**
 * Registers the schema (unless told not to) and fetches all schemas its subject ever had, so that most values can be
 * read at once; others become readable by `lookup`. Rejects as the registry does, and with the error of avsc for a
 * schema that is none.
 *
 * Values: records are objects, `long` is a number (others than safe integers are refused), `bytes` a Buffer, unions of
 * clearly different branches are bare values, a field that is missing gets its default. Logical types are read as
 * what they are made of. Equal values give equal bytes.
 *
 * Reading throws `RecordError`: `RECORD_UNREADABLE` for other bytes, cut-off ones and ones with a tail;
 * `SCHEMA_UNKNOWN` for an id that the registry does not have, `SCHEMA_UNSUPPORTED` for a schema that is not Avro,
 * `SCHEMA_INCOMPATIBLE` for one that the reader's cannot read. `RetriableError` `SCHEMA_NOT_FETCHED` where `lookup`
 * was not used.
 *
 * Writing throws `RecordError` `RECORD_UNWRITABLE` for a value that does not fit the schema, a lone surrogate in it.
 */
export async function openAvroSerde<T>(options: AvroSerdeOptions): Promise<Serde<T>> {
  const { registry, subject, compatibility = 'BACKWARD' } = options
  const type = parseAvro({ text: options.schema, references: [] })
  const schema = JSON.stringify(JSON.parse(options.schema))
  const id = options.writes === false ? null : await registry.register(subject, schema, compatibility)
  const writers = new WriterSchemas(registry, type, options.clock ?? systemClock)
  for (const version of await registry.versions(subject)) writers.add(version.id, version.schema)
  if (id !== null) writers.add(id, { type: 'AVRO', text: schema, references: [] })
  return {
    name: 'avro',
    lookup: writers,
    serialize: id === null ? refuseToWrite : writerOf<T>(type, id),
    deserialize: readerOf<T>(writers),
  }
}

/**
 * Reads values of any schema in the registry as they were written, each by `lookup` first; it cannot write. Throws as
 * the serde of `openAvroSerde` does.
 */
export function anyAvroSerde(registry: SchemaRegistry, clock: Clock = systemClock): Serde<unknown> {
  const writers = new WriterSchemas(registry, null, clock)
  return { name: 'avro', lookup: writers, serialize: refuseToWrite, deserialize: readerOf(writers) }
}

function readerOf<T>(writers: WriterSchemas): Serde<T>['deserialize'] {
  // Nearly all values of a topic have one writer.
  let lastId = -1
  let last: Writer | undefined
  return (buffer, start, end) => {
    const id = schemaIdAt(buffer, start, end)
    if (id < 0) {
      throw unreadable('the bytes do not begin with a zero byte and a schema id (are they Avro at all?)')
    }
    const known = id === lastId && last?.problem === null ? last : writers.get(id)
    if (known === undefined) {
      throw new RetriableError('SCHEMA_NOT_FETCHED', `avro: schema ${id} has not been fetched`)
    }
    if (known.problem !== null) throw new RecordError(known.problem.code, `avro: ${known.problem.message}`)
    lastId = id
    last = known
    return decode(known, buffer, start + WIRE_HEADER_BYTES, end) as T
  }
}

/** Decoding in place spares a view for each record; where it ends tells whether the value took all the bytes. */
function decode(
  { type, resolver }: Extract<Writer, { problem: null }>,
  buffer: Buffer,
  start: number,
  end: number,
): unknown {
  let offset: number
  let value: unknown
  try {
    ;({ value, offset } = type.decode(buffer, start, resolver))
  } catch (error) {
    throw unreadable(messageOf(error), error)
  }
  if (offset < 0 || offset > end) throw unreadable('the value is cut off')
  if (offset < end) throw unreadable(`${end - offset} bytes follow the value`)
  return value
}

function writerOf<T>(type: Type, id: number): (value: T) => Buffer {
  let scratch = Buffer.alloc(FIRST_SCRATCH_BYTES)
  scratch.writeUInt32BE(id, 1)
  return (value) => {
    let end: number
    try {
      end = type.encode(value, scratch, WIRE_HEADER_BYTES)
      if (end < 0) {
        scratch = Buffer.alloc(2 * (scratch.length - end))
        scratch.writeUInt32BE(id, 1)
        end = type.encode(value, scratch, WIRE_HEADER_BYTES)
      }
    } catch (error) {
      throw new RecordError(RECORD_UNWRITABLE, `avro: ${messageOf(error)}`, { cause: error })
    }
    return Buffer.from(scratch.subarray(0, end))
  }
}

function refuseToWrite(): never {
  throw new RecordError(RECORD_UNWRITABLE, 'avro: the serde was opened for reading only')
}

function unreadable(reason: string, cause?: unknown): RecordError {
  return new RecordError(RECORD_UNREADABLE, `avro: ${reason}`, { cause })
}
