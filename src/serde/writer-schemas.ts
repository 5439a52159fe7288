/** The schemas that values were written with: fetched by id once, then known to the synchronous reading. */
import avro, { type Type } from 'avsc'
import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { exactTypes } from './avro-types.ts'
import type { RegisteredSchema, SchemaRegistry } from './schema-registry.ts'
import type { Lookup } from './serde.ts'

/** How values of one writer's schema are read (the type and the way to it), or why they cannot be. */
export type Writer =
  | { readonly problem: null; readonly type: Type; readonly resolver: AvroResolver | undefined }
  | { readonly problem: WriterProblem; readonly askedAtMs: number }

/** avsc's way from a writer's schema to the reader's. */
export type AvroResolver = ReturnType<Type['createResolver']>

/** Why values of one writer cannot be read, as code and message of a `RecordError`. */
export interface WriterProblem {
  readonly code: 'SCHEMA_UNKNOWN' | 'SCHEMA_UNSUPPORTED' | 'SCHEMA_INCOMPATIBLE'
  readonly message: string
}

const MAGIC = 0
/** Magic byte and schema id in front of the value. */
export const WIRE_HEADER_BYTES = 5
/** An id that did not exist is asked for again after this: its registration may have been on its way. */
const ASK_AGAIN_MS = 60_000
const PARSE = { omitRecordMethods: true, wrapUnions: 'auto', typeHook: exactTypes } as const

/** An Avro type of a schema and what it refers to. Throws what avsc throws. */
export function parseAvro({ text, references }: Pick<RegisteredSchema, 'text' | 'references'>): Type {
  const registry: Record<string, Type> = {}
  for (const reference of references) avro.Type.forSchema(schemaOf(reference), { ...PARSE, registry })
  return avro.Type.forSchema(schemaOf(text), { ...PARSE, registry })
}

/** The id in front of a value, or -1 where the bytes do not begin as Confluent's wire format does. */
export function schemaIdAt(buffer: Buffer, start: number, end: number): number {
  return end - start < WIRE_HEADER_BYTES || buffer[start] !== MAGIC ? -1 : buffer.readUInt32BE(start + 1)
}

/** Writers by id. One for each serde, since what it finds depends on the reader's schema. */
export class WriterSchemas implements Lookup {
  private readonly registry: SchemaRegistry
  private readonly reader: Type | null
  private readonly clock: Clock
  private readonly writers = new Map<number, Writer>()
  private readonly wanted = new Set<number>()
  private readonly underWay = new Map<number, Promise<void>>()

  /** Without a `reader` values are read as what they were written as. */
  constructor(registry: SchemaRegistry, reader: Type | null, clock: Clock) {
    this.registry = registry
    this.reader = reader
    this.clock = clock
  }

  /** What is known of a writer; `undefined` before it was fetched. */
  get(id: number): Writer | undefined {
    return this.writers.get(id)
  }

  /** Makes a writer known that need not be fetched. */
  add(id: number, schema: RegisteredSchema): void {
    this.writers.set(id, this.resolve(id, schema))
  }

  missing(buffer: Buffer, start: number, end: number): boolean {
    const id = schemaIdAt(buffer, start, end)
    if (id < 0) return false
    const writer = this.writers.get(id)
    if (writer !== undefined && (writer.problem === null || !this.mayHaveChanged(writer))) return false
    this.wanted.add(id)
    return true
  }

  async fetch(): Promise<void> {
    // One after the other: new schemas are rare, and a registry is not to be flooded because of damaged records.
    for (const id of this.wanted) {
      let fetching = this.underWay.get(id)
      if (fetching === undefined) {
        fetching = this.fetchOne(id).finally(() => this.underWay.delete(id))
        this.underWay.set(id, fetching)
      }
      await fetching
      this.wanted.delete(id)
    }
  }

  private async fetchOne(id: number): Promise<void> {
    const schema = await this.registry.schemaById(id)
    const unknown = { code: 'SCHEMA_UNKNOWN', message: `the registry has no schema ${id}` } as const
    this.writers.set(id, schema === null ? this.hopeless(unknown) : this.resolve(id, schema))
  }

  private resolve(id: number, schema: RegisteredSchema): Writer {
    if (schema.type !== 'AVRO') {
      return this.hopeless({
        code: 'SCHEMA_UNSUPPORTED',
        message: `schema ${id} is ${schema.type}, not Avro`,
      })
    }
    try {
      const writer = parseAvro(schema)
      const type = this.reader ?? writer
      const same = this.reader === null || writer.equals(this.reader)
      const resolver = same ? undefined : type.createResolver(writer, { ignoreNamespaces: true })
      return { problem: null, type, resolver }
    } catch (error) {
      const message = `values of schema ${id} cannot be read as ${this.reader?.name ?? 'Avro'}: ${messageOf(error)}`
      return this.hopeless({ code: 'SCHEMA_INCOMPATIBLE', message })
    }
  }

  private hopeless(problem: WriterProblem): Writer {
    return { problem, askedAtMs: this.clock.monotonic() }
  }

  /** Schemas do not change under their id; but an id that did not exist may exist by now. */
  private mayHaveChanged(writer: Extract<Writer, { problem: WriterProblem }>): boolean {
    if (writer.problem.code !== 'SCHEMA_UNKNOWN') return false
    return this.clock.monotonic() - writer.askedAtMs >= ASK_AGAIN_MS
  }
}

/** A schema is JSON; a bare name such as `string` is allowed as well. */
function schemaOf(text: string): Parameters<typeof avro.Type.forSchema>[0] {
  return JSON.parse(/^\s*[[{"]/.test(text) ? text : JSON.stringify(text.trim())) as Parameters<
    typeof avro.Type.forSchema
  >[0]
}
