/** A schema registry in memory: it can be down, and counts what it is asked. */
import { FatalError, RetriableError } from '../../src/errors.ts'
import type {
  Compatibility,
  RegisteredSchema,
  SchemaRegistry,
  SubjectVersion,
} from '../../src/serde/schema-registry.ts'

export class FakeRegistry implements SchemaRegistry {
  /** While true every call fails as with a registry that cannot be reached. */
  down = false
  /** Schemas that it refuses to register. */
  refuses: (schema: string) => boolean = () => false
  /** Ids it was asked for, in order. */
  readonly asked: number[] = []
  readonly compatibilities = new Map<string, Compatibility>()
  private readonly schemas = new Map<number, RegisteredSchema>()
  private readonly subjects = new Map<string, SubjectVersion[]>()
  private nextId = 1

  async schemaById(id: number): Promise<RegisteredSchema | null> {
    this.asked.push(id)
    this.mustBeUp()
    return this.schemas.get(id) ?? null
  }

  async versions(subject: string): Promise<readonly SubjectVersion[]> {
    this.mustBeUp()
    return [...(this.subjects.get(subject) ?? [])]
  }

  async register(subject: string, schema: string, compatibility: Compatibility): Promise<number> {
    this.mustBeUp()
    if (this.refuses(schema)) throw new FatalError('SCHEMA_REFUSED', `${subject}: not compatible`)
    if (!this.compatibilities.has(subject)) this.compatibilities.set(subject, compatibility)
    const versions = this.subjects.get(subject) ?? []
    const known = versions.find((version) => version.schema.text === schema)
    if (known !== undefined) return known.id
    const id = this.add({ type: 'AVRO', text: schema, references: [] })
    this.subjects.set(subject, [...versions, { id, schema: this.schemas.get(id)! }])
    return id
  }

  /** Keeps a schema under no subject; answers its id. */
  add(schema: RegisteredSchema, id = this.nextId++): number {
    this.schemas.set(id, schema)
    return id
  }

  private mustBeUp(): void {
    if (this.down) throw new RetriableError('REGISTRY_UNREACHABLE', 'the registry is down')
  }
}
