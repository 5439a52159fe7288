/** Requests about the cluster: who speaks what, who leads what, who coordinates what. */
import type { Answer, ApiCall } from './api-call.ts'

/** Finalised features by name, with their level. */
export interface VersionsAnswer extends Answer {
  readonly features: ReadonlyMap<string, number>
}

/** Tag of the finalised features in the answer to ApiVersions. */
const FINALIZED_FEATURES_TAG = 2

/** ApiVersions, for the features it tells (KIP-584); KafkaJS asks older versions, which do not. */
export const apiVersions: ApiCall<{ readonly clientName: string }, VersionsAnswer> = {
  key: 18,
  name: 'ApiVersions',
  version: 3,
  plainAnswerHeader: true,
  encode: (writer, { clientName }) => void writer.string(clientName).string('0').tags(),
  decode(reader) {
    reader.int16()
    reader.array(() => reader.raw(6) && reader.tags())
    const throttleMs = reader.int32()
    const features = new Map<string, number>()
    reader.tagged((tag, field) => {
      if (tag !== FINALIZED_FEATURES_TAG) return
      field.array(() => {
        features.set(field.string(), field.int16())
        field.int16()
        field.tags()
      })
    })
    return { throttleMs, features }
  },
}

/** A partition as metadata tells it. */
export interface PartitionMetadata {
  readonly code: number
  readonly partition: number
  /** Node id; -1 for none. */
  readonly leader: number
  /** How many copies are wanted, whether they are there or not. */
  readonly replicas: number
}

/** A topic as metadata tells it. */
export interface TopicMetadata {
  readonly code: number
  readonly name: string
  readonly topicId: string
  readonly internal: boolean
  readonly partitions: readonly PartitionMetadata[]
  /** What this client may do, a bit for each `AclOperation`; negative where it was not asked for. */
  readonly operations: number
}

/** Bits of `operations`. */
export const AclOperation = { READ: 1 << 3, WRITE: 1 << 4 } as const

/** A broker's place. */
export interface NodeMetadata {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** What a broker knows of the cluster. */
export interface MetadataAnswer extends Answer {
  readonly nodes: readonly NodeMetadata[]
  readonly controllerId: number
  readonly topics: readonly TopicMetadata[]
}

/** What is asked. */
export interface MetadataRequest {
  /** By name; `null` for all topics. */
  readonly topics: readonly string[] | null
  /** Whether `operations` is to be told. */
  readonly withOperations?: boolean
}

/** Metadata of topics. Never creates any. */
export const metadata: ApiCall<MetadataRequest, MetadataAnswer> = {
  key: 3,
  name: 'Metadata',
  version: 12,
  encode(writer, { topics, withOperations = false }) {
    if (topics === null) writer.uvarint(0)
    else writer.array(topics, (w, name) => w.uuid('0'.repeat(32)).string(name).tags())
    writer.boolean(false).boolean(withOperations).tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const nodes = reader.array(() => {
      const node = { nodeId: reader.int32(), host: reader.string(), port: reader.int32() }
      reader.nullableString()
      reader.tags()
      return node
    })
    reader.nullableString()
    const controllerId = reader.int32()
    const topics = reader.array(() => {
      const topic = {
        code: reader.int16(),
        name: reader.string(),
        topicId: reader.uuid(),
        internal: reader.boolean(),
        partitions: reader.array(() => {
          const partition = { code: reader.int16(), partition: reader.int32(), leader: reader.int32() }
          reader.int32()
          const nodeIds = (): readonly number[] => reader.array(() => reader.int32())
          const replicas = nodeIds().length
          // Those that are up to date, and those that are away.
          for (let lists = 0; lists < 2; lists += 1) nodeIds()
          reader.tags()
          return { ...partition, replicas }
        }),
      }
      const operations = reader.int32()
      reader.tags()
      return { ...topic, operations }
    })
    return { throttleMs, nodes, controllerId, topics }
  },
}

/** What a coordinator coordinates. */
export type CoordinatorType = 'group' | 'transaction'

/** Where a coordinator is, unless `code` says otherwise. */
export interface CoordinatorAnswer extends Answer, NodeMetadata {
  readonly code: number
  readonly message: string | null
}

/** FindCoordinator of a group or a transactional id. */
export const findCoordinator: ApiCall<
  { readonly type: CoordinatorType; readonly id: string },
  CoordinatorAnswer
> = {
  key: 10,
  name: 'FindCoordinator',
  version: 3,
  encode: (writer, { type, id }) => {
    writer
      .string(id)
      .int8(type === 'group' ? 0 : 1)
      .tags()
  },
  decode: (reader) => ({
    throttleMs: reader.int32(),
    code: reader.int16(),
    message: reader.nullableString(),
    nodeId: reader.int32(),
    host: reader.string(),
    port: reader.int32(),
  }),
}
