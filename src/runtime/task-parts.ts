/** What a task is made of; put together by task-builder.ts. */
import type { Subject } from 'rxjs'
import type { Clock } from '../clock.ts'
import type { StoreEntry } from '../state/store-entry.ts'
import type { DecisionReplay } from '../time/decisions.ts'
import type { TaskChannel } from '../topology/channels.ts'
import type { StreamRecord } from '../topology/stream-record.ts'
import type { Counters } from './counters.ts'
import type { ChannelEnd } from './input-channel.ts'
import type { InputRecord } from './input-record.ts'
import type { RecordCollector } from './record-collector.ts'
import type { RepartitionSender } from './repartition-sender.ts'
import type { BuiltInputs } from './task-inputs-builder.ts'
import type { TaskInputs } from './task-inputs.ts'
import type { TaskStores } from './task-stores.ts'
import type { Unit } from './unit.ts'
import type { UnitRunner } from './unit-runner.ts'
import type { EmitResult, WindowCloser } from './window-closer.ts'

export interface TaskParts {
  readonly clock: Clock
  readonly inputs: TaskInputs
  readonly built: BuiltInputs
  /** The channels as the topology names them, by number. */
  readonly taskChannels: readonly TaskChannel[]
  /** Where records of each channel enter the graph, by channel number. */
  readonly entrances: readonly Subject<StreamRecord>[]
  readonly unit: Unit
  readonly runner: UnitRunner
  readonly counters: Counters
  readonly collector: RecordCollector
  readonly stores: TaskStores
  readonly closer: WindowCloser
  readonly senders: readonly RepartitionSender[]
  readonly replay: DecisionReplay | undefined
  readonly isReplay: boolean
  /** Whether a record is worked; all where undefined. */
  readonly accepts: ((record: InputRecord) => boolean) | undefined
  readonly maxRecordBytes: number
  /** Whether silence is decided about: not in bounded runs. */
  readonly decidesIdleness: boolean
  /** Of the last commit. */
  readonly finishedRun: number
  readonly commitId: number
  readonly attempts: ResultAttempts
  /** Sets what happens to a result of a window that closes. */
  attach(emit: EmitResult): void
  /** The name under which results of a windowed operator appear as an origin. */
  resultsTopic(operator: string): string
  /** Whether an input has to be read again from further back before its channels can go on. */
  needsRewind(): boolean
  /** Tells all channels where the present run ends; `undefined`: nowhere. */
  expectRunOfChannels(run: ChannelEnd | undefined): void
}

/** How often results of closing windows have been tried that are to be tried again. */
export class ResultAttempts {
  private readonly failures = new Map<StoreEntry, number>()

  /** The number of the present try, from 1. */
  of(entry: StoreEntry): number {
    return (this.failures.get(entry) ?? 0) + 1
  }

  failed(entry: StoreEntry): void {
    this.failures.set(entry, this.of(entry))
  }

  forget(entry: StoreEntry): void {
    this.failures.delete(entry)
  }
}
