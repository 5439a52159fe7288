/** The port of a schema registry: what the Avro serde needs of one. */

/** Which changes a registry lets a subject's schema make; BACKWARD: the new one reads what the last one wrote. */
export type Compatibility =
  'BACKWARD' | 'BACKWARD_TRANSITIVE' | 'FORWARD' | 'FORWARD_TRANSITIVE' | 'FULL' | 'FULL_TRANSITIVE' | 'NONE'

/** A schema as a registry keeps it. */
export interface RegisteredSchema {
  /** `AVRO`, `JSON` or `PROTOBUF`. */
  readonly type: string
  readonly text: string
  /** Schemas that `text` refers to by name, each before those that refer to it. */
  readonly references: readonly string[]
}

/** A version of a subject. */
export interface SubjectVersion {
  /** The id that stands in front of values written with it. */
  readonly id: number
  readonly schema: RegisteredSchema
}

/**
 * Keeps schemas under ids that never change. Every method rejects with `RetriableError` `REGISTRY_UNREACHABLE` where
 * the registry gives no answer now, and with `FatalError` `REGISTRY_DENIED` where it wants other credentials.
 */
export interface SchemaRegistry {
  /** Null where the registry itself says that there is no such id. */
  schemaById(id: number): Promise<RegisteredSchema | null>
  /** All versions of a subject, oldest first; none of a subject that does not exist. */
  versions(subject: string): Promise<readonly SubjectVersion[]>
  /**
   * The id of an Avro schema under a subject, which is registered where it is not yet. A subject without a
   * compatibility of its own gets this one; the one it has is respected. `FatalError` `SCHEMA_REFUSED` where the
   * registry does not accept the schema, with its reason.
   */
  register(subject: string, schema: string, compatibility: Compatibility): Promise<number>
}
