/** One transaction in its broker, from its first call until its outcome is visible. */
import type { Timer } from '../../clock.ts'
import { partitionKey, type PartitionOffset } from '../log.ts'
import type { GroupCoordinator } from './group-coordinator.ts'
import type { HeldRun, PartitionLog } from './partition-log.ts'

/** What a transaction has written so far, and which calls of it were taken. */
export class OpenTransaction {
  /** Which of its producer's transactions it is. */
  readonly number: number
  /** Calls taken so far; the next one has this number. */
  steps = 0
  /** The offsets that the last `produce` answered, for its repetition. */
  lastProduced: { readonly step: number; readonly offsets: readonly bigint[] } | null = null
  readonly runs = new Map<PartitionLog, HeldRun>()
  readonly offsets = new Map<string, Map<string, PartitionOffset>>()
  /** Aborts the transaction when it stays open for too long. */
  timeout: Timer | null = null
  /** What it will come to, once decided. */
  outcome: 'commit' | 'abort' | null = null

  /** Where the sequence of a partition goes on; it begins at 0 with each transaction. */
  private readonly sequences = new Map<PartitionLog, number>()

  constructor(number: number) {
    this.number = number
  }

  /** The sequence number that the next batch of the partition has to begin with. */
  nextSequence(partition: PartitionLog): number {
    return this.sequences.get(partition) ?? 0
  }

  noteSequence(partition: PartitionLog, { base, count }: { base: number; count: number }): void {
    this.sequences.set(partition, base + count)
  }

  runOf(partition: PartitionLog): HeldRun {
    let run = this.runs.get(partition)
    if (run === undefined) {
      run = partition.beginRun()
      this.runs.set(partition, run)
    }
    return run
  }

  /** Holds these offsets of the group until the end. */
  holdOffsets(groups: GroupCoordinator, groupId: string, offsets: readonly PartitionOffset[]): void {
    let held = this.offsets.get(groupId)
    if (held === undefined) {
      held = new Map()
      this.offsets.set(groupId, held)
    }
    for (const at of offsets) {
      const key = partitionKey(at)
      if (!held.has(key)) groups.hold(groupId, at)
      held.set(key, at)
    }
  }
}
