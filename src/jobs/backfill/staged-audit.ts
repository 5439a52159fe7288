/**
 * Running hashes over what a backfill has staged: SHA-256 over the committed records of each partition in order, noted
 * every so many records. A run that is taken up again computes them anew from the start of the partition, and refuses
 * to go on where they differ from those noted.
 *
 * Of each record: length of the key (4 bytes, big-endian; -1 for none), the key, length of the value, the value, the
 * timestamp (8 bytes, big-endian). Headers are not part of it.
 */
import { createHash, type Hash } from 'node:crypto'
import { FatalError } from '../../errors.ts'
import type { Log, TopicPartition } from '../../log/log.ts'
import type { RecordCursor } from '../../log/record-cursor.ts'
import { readRange } from '../../runtime/commit-log.ts'
import type { AuditHash, StagedTopic } from './backfill-record.ts'

/** A hash is noted each time so many records have been added to a partition. */
export const AUDIT_EVERY_RECORDS = 10_000

class PartitionAudit {
  readonly place: TopicPartition
  records = 0
  position = 0n
  readonly notes: AuditHash[] = []
  private readonly hash: Hash = createHash('sha256')
  private readonly scratch = Buffer.alloc(12)
  private readonly expected: AuditHash[]

  constructor(place: TopicPartition, expected: readonly AuditHash[]) {
    this.place = place
    this.expected = expected.filter((note) => {
      return note.topic === place.topic && note.partition === place.partition
    })
  }

  add(cursor: RecordCursor): void {
    const { hash, scratch } = this
    for (const part of [cursor.key(), cursor.value()]) {
      scratch.writeInt32BE(part?.length ?? -1, 0)
      hash.update(scratch.subarray(0, 4))
      if (part !== null) hash.update(part)
    }
    scratch.writeBigInt64BE(BigInt(cursor.timestampMs), 0)
    hash.update(scratch.subarray(0, 8))
    this.records++
    this.position = cursor.offset + 1n
    if (this.records % AUDIT_EVERY_RECORDS === 0) this.note()
    this.compare()
  }

  /** Notes the hash as it is now, unless it has just been noted. */
  note(): void {
    if (this.notes.at(-1)?.records === this.records) return
    this.notes.push(this.now())
  }

  private now(): AuditHash {
    return {
      ...this.place,
      records: this.records,
      offset: String(this.position),
      sha256: this.hash.copy().digest('hex'),
    }
  }

  private compare(): void {
    const note = this.expected[0]
    if (note === undefined || note.records !== this.records) return
    this.expected.shift()
    const { topic, partition, records, sha256 } = note
    if (this.now().sha256 === sha256) return
    throw new FatalError(
      'STAGING_CHANGED',
      `The first ${records} records of ${topic}/${partition} are not those that this backfill staged: ` +
        'somebody else has written there. Cancel it and plan it anew.',
    )
  }
}

/** The hashes of one backfill. Not for concurrent use. */
export class StagedAudit {
  private readonly log: Log
  private readonly partitions: readonly PartitionAudit[]

  /** `noted`: what an earlier attempt has noted. */
  constructor(log: Log, outputs: readonly StagedTopic[], noted: readonly AuditHash[]) {
    this.log = log
    this.partitions = outputs
      .filter(({ kind }) => kind === 'results')
      .flatMap(({ staged, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => {
          return new PartitionAudit({ topic: staged, partition }, noted)
        }),
      )
  }

  /** Adds what has been committed since. `FatalError` `STAGING_CHANGED` where it differs from what was noted before. */
  async catchUp(): Promise<void> {
    for (const audit of this.partitions) {
      const [stable] = await this.log.offsets('stable', [audit.place])
      await readRange(this.log, audit.place, audit.position, stable!, (cursor) => audit.add(cursor))
    }
  }

  /** The hashes at the end, besides those on the way. */
  finish(): void {
    for (const audit of this.partitions) audit.note()
  }

  /** Everything noted so far. */
  get notes(): readonly AuditHash[] {
    return this.partitions.flatMap(({ notes }) => notes)
  }

  /** Records staged as results. */
  get records(): number {
    return this.partitions.reduce((sum, { records }) => sum + records, 0)
  }
}
