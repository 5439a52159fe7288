/** Requests to the coordinator of a transactional id, and TxnOffsetCommit, which goes to a group's. */
import type { PartitionOffset, TopicPartition } from '../../log.ts'
import { writeByTopic, type ApiCall } from './api-call.ts'
import type { ByteReader } from './byte-reader.ts'
import {
  readOutcomes,
  writeOffsets,
  type CodeAnswer,
  type MemberFields,
  type OffsetCommitAnswer,
} from './group-calls.ts'

/** Under which a producer writes. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}

/** A producer that was not initialised yet, or none. */
export const NO_PRODUCER: ProducerIdentity = { producerId: -1n, epoch: -1 }

/** The identity to go on with, unless `code` says otherwise. */
export interface IdentityAnswer extends CodeAnswer {
  readonly identity: ProducerIdentity
}

interface InitProducerRequest {
  readonly transactionalId: string
  readonly timeoutMs: number
  /** `NO_PRODUCER` shuts out whoever holds the id; a current identity asks for its next epoch (KIP-360). */
  readonly current: ProducerIdentity
}

/** InitProducerId. */
export const initProducerId: ApiCall<InitProducerRequest, IdentityAnswer> = {
  key: 22,
  name: 'InitProducerId',
  version: 4,
  encode: (writer, { transactionalId, timeoutMs, current }) => {
    writer.string(transactionalId).int32(timeoutMs).int64(current.producerId).int16(current.epoch).tags()
  },
  decode: (reader) => ({
    throttleMs: reader.int32(),
    code: reader.int16(),
    identity: readIdentity(reader),
  }),
}

interface TransactionFields {
  readonly transactionalId: string
  readonly identity: ProducerIdentity
}

/** AddPartitionsToTxn: what is written next; not with Transactions V2. */
export const addPartitionsToTransaction: ApiCall<
  TransactionFields & { readonly partitions: readonly TopicPartition[] },
  OffsetCommitAnswer
> = {
  key: 24,
  name: 'AddPartitionsToTxn',
  version: 3,
  encode(writer, { transactionalId, identity, partitions }) {
    writer.string(transactionalId).int64(identity.producerId).int16(identity.epoch)
    writeByTopic(writer, partitions, (w, { partition }) => w.int32(partition))
    writer.tags()
  },
  decode: readOutcomes,
}

/** AddOffsetsToTxn: whose offsets are written next; not with Transactions V2. */
export const addOffsetsToTransaction: ApiCall<TransactionFields & { readonly groupId: string }, CodeAnswer> =
  {
    key: 25,
    name: 'AddOffsetsToTxn',
    version: 3,
    encode: (writer, { transactionalId, identity, groupId }) => {
      writer.string(transactionalId).int64(identity.producerId).int16(identity.epoch).string(groupId).tags()
    },
    decode: (reader) => ({ throttleMs: reader.int32(), code: reader.int16() }),
  }

interface TransactionalOffsets extends TransactionFields {
  readonly member: MemberFields
  readonly offsets: readonly PartitionOffset[]
}

/** TxnOffsetCommit, version 3 (KIP-447) or, with Transactions V2, 5; goes to the coordinator of the group. */
export function commitTransactionalOffsets(
  version: 3 | 5,
): ApiCall<TransactionalOffsets, OffsetCommitAnswer> {
  return {
    key: 28,
    name: 'TxnOffsetCommit',
    version,
    encode(writer, { transactionalId, identity, member, offsets }) {
      writer.string(transactionalId).string(member.groupId)
      writer.int64(identity.producerId).int16(identity.epoch)
      writer.int32(member.generation).string(member.memberId).string(member.groupInstanceId)
      writeOffsets(writer, offsets)
      writer.tags()
    },
    decode: readOutcomes,
  }
}

/** EndTxn; version 5 (Transactions V2) answers the identity of the next transaction, version 3 none. */
export function endTransaction(
  version: 3 | 5,
): ApiCall<TransactionFields & { readonly commit: boolean }, IdentityAnswer> {
  return {
    key: 26,
    name: 'EndTxn',
    version,
    encode: (writer, { transactionalId, identity, commit }) => {
      writer.string(transactionalId).int64(identity.producerId).int16(identity.epoch).boolean(commit).tags()
    },
    decode: (reader) => ({
      throttleMs: reader.int32(),
      code: reader.int16(),
      identity: version === 5 ? readIdentity(reader) : NO_PRODUCER,
    }),
  }
}

function readIdentity(reader: ByteReader): ProducerIdentity {
  return { producerId: reader.int64(), epoch: reader.int16() }
}
