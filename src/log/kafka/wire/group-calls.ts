/** Requests to the coordinator of a consumer group. */
import type { Offset, PartitionOffset, TopicPartition } from '../../log.ts'
import { readByTopic, writeByTopic, type Answer, type ApiCall } from './api-call.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { PartitionOutcome } from './topic-calls.ts'

/** The kind of group: the one that all of Kafka's tools know. */
export const PROTOCOL_TYPE = 'consumer'

/** An answer that says no more than whether it worked. */
export interface CodeAnswer extends Answer {
  readonly code: number
}

interface JoinGroupRequest {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Empty for a new member. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly protocol: string
  readonly metadata: Uint8Array
}

/** The generation joined, unless `code` says otherwise. */
export interface JoinGroupAnswer extends CodeAnswer {
  readonly generation: number
  readonly leader: string
  /** The leader is not to hand out anything: it came back under its name, and the assignment stands (KIP-814). */
  readonly skipAssignment: boolean
  readonly memberId: string
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[]
}

/** JoinGroup; the broker answers when all have joined. */
export const joinGroup: ApiCall<JoinGroupRequest, JoinGroupAnswer> = {
  key: 11,
  name: 'JoinGroup',
  version: 9,
  encode(writer, request) {
    writer.string(request.groupId).int32(request.sessionTimeoutMs).int32(request.rebalanceTimeoutMs)
    writer.string(request.memberId).string(request.groupInstanceId).string(PROTOCOL_TYPE)
    writer.array([request], (w, { protocol, metadata }) => w.string(protocol).byteString(metadata).tags())
    writer.string(null).tags()
  },
  decode(reader) {
    const head = { throttleMs: reader.int32(), code: reader.int16(), generation: reader.int32() }
    reader.nullableString()
    reader.nullableString()
    return {
      ...head,
      leader: reader.string(),
      skipAssignment: reader.boolean(),
      memberId: reader.string(),
      members: reader.array(() => {
        const memberId = reader.string()
        reader.nullableString()
        const metadata = reader.byteString()
        reader.tags()
        return { memberId, metadata }
      }),
    }
  },
}

/** How a member names itself. */
export interface MemberFields {
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

interface SyncGroupRequest extends MemberFields {
  readonly protocol: string
  readonly assignments: ReadonlyMap<string, Uint8Array>
}

/** The member's assignment, unless `code` says otherwise. */
export interface SyncGroupAnswer extends CodeAnswer {
  readonly assignment: Buffer
}

/** SyncGroup; the broker answers when the leader has brought the assignments. */
export const syncGroup: ApiCall<SyncGroupRequest, SyncGroupAnswer> = {
  key: 14,
  name: 'SyncGroup',
  version: 5,
  encode(writer, request) {
    writeMember(writer, request)
    writer.string(PROTOCOL_TYPE).string(request.protocol)
    writer.array([...request.assignments], (w, [memberId, assignment]) => {
      w.string(memberId).byteString(assignment).tags()
    })
    writer.tags()
  },
  decode(reader) {
    const [throttleMs, code] = [reader.int32(), reader.int16()]
    reader.nullableString()
    reader.nullableString()
    return { throttleMs, code, assignment: reader.byteString() }
  },
}

/** Heartbeat. */
export const heartbeat: ApiCall<MemberFields, CodeAnswer> = {
  key: 12,
  name: 'Heartbeat',
  version: 4,
  encode(writer, member) {
    writeMember(writer, member)
    writer.tags()
  },
  decode: readCode,
}

/** LeaveGroup of one member; the worse of the two codes of the answer. */
export const leaveGroup: ApiCall<MemberFields, CodeAnswer> = {
  key: 13,
  name: 'LeaveGroup',
  version: 4,
  encode(writer, member) {
    writer.string(member.groupId)
    writer.array([member], (w, { memberId, groupInstanceId }) => {
      w.string(memberId).string(groupInstanceId).tags()
    })
    writer.tags()
  },
  decode(reader) {
    const head = readCode(reader)
    const codes = reader.array(() => {
      reader.string()
      reader.nullableString()
      const code = reader.int16()
      reader.tags()
      return code
    })
    return { ...head, code: head.code === 0 ? (codes.find((code) => code !== 0) ?? 0) : head.code }
  },
}

/** A group as its coordinator knows it. */
export interface DescribedGroup extends CodeAnswer {
  /** `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead` (unknown). */
  readonly state: string
  readonly memberIds: readonly string[]
}

/** DescribeGroups of one group. */
export const describeGroup: ApiCall<{ readonly groupId: string }, DescribedGroup> = {
  key: 15,
  name: 'DescribeGroups',
  version: 5,
  encode: (writer, { groupId }) => {
    writer
      .array([groupId], (w, id) => w.string(id))
      .boolean(false)
      .tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const [group] = reader.array(() => {
      const code = reader.int16()
      reader.string()
      const state = reader.string()
      reader.string()
      reader.string()
      const memberIds = reader.array(() => {
        const memberId = reader.string()
        reader.nullableString()
        for (let fields = 0; fields < 4; fields += 1) reader.byteString()
        reader.tags()
        return memberId
      })
      reader.int32()
      reader.tags()
      return { code, state, memberIds }
    })
    return { throttleMs, ...(group ?? { code: 0, state: 'Dead', memberIds: [] }) }
  },
}

/** DeleteGroups of one group. */
export const deleteGroup: ApiCall<{ readonly groupId: string }, CodeAnswer> = {
  key: 42,
  name: 'DeleteGroups',
  version: 2,
  encode: (writer, { groupId }) => void writer.array([groupId], (w, id) => w.string(id)).tags(),
  decode(reader) {
    const throttleMs = reader.int32()
    const codes = reader.array(() => {
      reader.string()
      const code = reader.int16()
      reader.tags()
      return code
    })
    return { throttleMs, code: codes[0] ?? 0 }
  },
}

/** Committed offsets, -1 for none. */
export interface OffsetFetchAnswer extends CodeAnswer {
  readonly partitions: readonly (PartitionOutcome & { readonly offset: Offset })[]
}

/** OffsetFetch with `requireStable` (KIP-447). */
export const fetchOffsets: ApiCall<
  { readonly groupId: string; readonly partitions: readonly TopicPartition[] },
  OffsetFetchAnswer
> = {
  key: 9,
  name: 'OffsetFetch',
  version: 7,
  encode(writer, { groupId, partitions }) {
    writer.string(groupId)
    writeByTopic(writer, partitions, (w, { partition }) => w.int32(partition))
    writer.boolean(true).tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const partitions = readByTopic(reader, (r, topic) => {
      const [partition, offset] = [r.int32(), r.int64()]
      r.int32()
      r.nullableString()
      const code = r.int16()
      r.tags()
      return { topic, partition, offset, code }
    })
    return { throttleMs, partitions, code: reader.int16() }
  },
}

/** What became of each partition's offset. */
export interface OffsetCommitAnswer extends Answer {
  readonly partitions: readonly PartitionOutcome[]
}

/** OffsetCommit: outside of any transaction. */
export const commitOffsets: ApiCall<
  MemberFields & { readonly offsets: readonly PartitionOffset[] },
  OffsetCommitAnswer
> = {
  key: 8,
  name: 'OffsetCommit',
  version: 8,
  encode(writer, request) {
    writeMember(writer, request)
    writeOffsets(writer, request.offsets)
    writer.tags()
  },
  decode: readOutcomes,
}

/** Writes offsets as commits take them: by topic, without leader epoch and metadata. */
export function writeOffsets(writer: ByteWriter, offsets: readonly PartitionOffset[]): void {
  writeByTopic(writer, offsets, (w, { partition, offset }) => {
    w.int32(partition).int64(offset).int32(-1).string(null).tags()
  })
}

/** Reads a code for each partition, by topic. */
export function readOutcomes(reader: ByteReader): OffsetCommitAnswer {
  const throttleMs = reader.int32()
  const partitions = readByTopic(reader, (r, topic) => {
    const outcome = { topic, partition: r.int32(), code: r.int16() }
    r.tags()
    return outcome
  })
  return { throttleMs, partitions }
}

function writeMember(
  writer: ByteWriter,
  { groupId, generation, memberId, groupInstanceId }: MemberFields,
): void {
  writer.string(groupId).int32(generation).string(memberId).string(groupInstanceId)
}

function readCode(reader: ByteReader): CodeAnswer {
  return { throttleMs: reader.int32(), code: reader.int16() }
}
