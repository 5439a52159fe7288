/** The schema registry as it really is, and what another client of it makes of our bytes. */
import { readFileSync } from 'node:fs'
import { SchemaRegistry as OtherClient } from '@kafkajs/confluent-schema-registry'
import { describe, expect, it } from 'vitest'
import { RetriableError } from '../../src/errors.ts'
import { openAvroSerde } from '../../src/serde/avro-serde.ts'
import { ConfluentRegistry } from '../../src/serde/confluent-registry.ts'
import type { Serde } from '../../src/serde/serde.ts'
import { ownRegistryForTests, registryForTests } from '../support/kafka/kafka-for-tests.ts'

const shared = await registryForTests()
const own = ownRegistryForTests()

const READING = readFileSync(new URL('../../schemas/readings-value.avsc', import.meta.url), 'utf8')
const READING_FIELDS = (JSON.parse(READING) as { fields: object[] }).fields
const reading = { eventId: 'é1', sensorId: 's', timestamp: 1_386_018_900_000, temperature: 52.5 }

/** The schema of readings with a further field. */
const extended = (field: object): string =>
  JSON.stringify({ ...(JSON.parse(READING) as object), fields: [...READING_FIELDS, field] })

const bytesOf = <T>(serde: Serde<T>, value: T): Buffer => Buffer.from(serde.serialize(value))
const read = <T>(serde: Serde<T>, bytes: Buffer): T => serde.deserialize(bytes, 0, bytes.length)

let subjects = 0
const newSubject = (): string => `test-${process.pid}-${(subjects += 1)}-value`

describe.skipIf(shared === null)('a real registry', () => {
  const registry = new ConfluentRegistry({ url: shared?.url ?? 'http://127.0.0.1:1' })
  const open = <T = object>(subject: string, schema = READING): Promise<Serde<T>> =>
    openAvroSerde<T>({ registry, subject, schema })

  it('keeps a schema under one id, and sets the compatibility of a new subject', async () => {
    const subject = newSubject()
    const schema = JSON.stringify(JSON.parse(READING))
    const id = await registry.register(subject, schema, 'BACKWARD')
    expect(await registry.register(subject, schema, 'BACKWARD')).toBe(id)
    expect(JSON.parse((await registry.schemaById(id))!.text)).toEqual(JSON.parse(READING))
    expect((await registry.versions(subject)).map((version) => version.id)).toEqual([id])
    const response = await fetch(`${shared!.url}/config/${subject}`)
    expect(await response.json()).toEqual({ compatibilityLevel: 'BACKWARD' })
  })

  it('says of an id that there is none', async () => {
    expect(await registry.schemaById(2_000_000_000)).toBeNull()
    expect(await registry.versions(newSubject())).toEqual([])
  })

  it('refuses a schema that cannot read what was written, and takes one that can', async () => {
    const subject = newSubject()
    const before = await open(subject)
    await expect(open(subject, extended({ name: 'unit', type: 'string' }))).rejects.toMatchObject({
      name: 'FatalError',
      code: 'SCHEMA_REFUSED',
    })
    const after = await open(subject, extended({ name: 'unit', type: 'string', default: 'C' }))
    const written = { ...reading, status: null, synthetic: false }
    expect({ ...read(after, bytesOf(before, reading)) }).toEqual({ ...written, unit: 'C' })
    const newer = bytesOf(after, { ...reading, unit: 'F' })
    expect(before.lookup!.missing(newer, 0, newer.length)).toBe(true)
    await before.lookup!.fetch()
    expect({ ...read(before, newer) }).toEqual(written)
    // A process of the version before still finds its own schema.
    await open(subject)
  })

  it('respects the compatibility that somebody has chosen for a subject', async () => {
    const subject = newSubject()
    await open(subject)
    const body = JSON.stringify({ compatibility: 'NONE' })
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    await fetch(`${shared!.url}/config/${subject}`, { method: 'PUT', body, headers })
    await open(subject, extended({ name: 'unit', type: 'string' }))
    const response = await fetch(`${shared!.url}/config/${subject}`)
    expect(await response.json()).toEqual({ compatibilityLevel: 'NONE' })
  })

  it('serves another client, which reads what we write, and writes what we read', async () => {
    const other = new OtherClient({ host: shared!.url })
    const serde = await open(newSubject())
    const bytes = bytesOf(serde, { ...reading, status: 'ok' })
    expect({ ...((await other.decode(bytes)) as object) }).toEqual({
      ...reading,
      status: 'ok',
      synthetic: false,
    })
    const foreign = await other.encode(bytes.readUInt32BE(1), { ...reading, status: null, synthetic: true })
    expect({ ...read(serde, foreign) }).toEqual({ ...reading, status: null, synthetic: true })
  })
})

describe.skipIf(own === null)('a registry that fails', () => {
  it('is retriable while it does not answer and while it is gone, and serves again when it is back', async () => {
    const server = await own!.registry()
    const registry = new ConfluentRegistry({ url: server.url, timeoutMs: 500 })
    const serde = await openAvroSerde<object>({ registry, subject: 'a-value', schema: READING })
    const bytes = bytesOf(serde, reading)
    bytes.writeUInt32BE(4711, 1)
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(true)
    server.freeze()
    await expect(serde.lookup!.fetch()).rejects.toThrow(/no answer within 500 ms/)
    server.thaw()
    await server.kill()
    await expect(serde.lookup!.fetch()).rejects.toThrow(RetriableError)
    await server.start()
    await serde.lookup!.fetch()
    expect(() => read(serde, bytes)).toThrow(/no schema 4711/)
  })
})
