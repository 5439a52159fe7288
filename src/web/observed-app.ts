/**
 * What the ops endpoint sees of an application: what it tells of itself, and two things that somebody looks up for it.
 */
import type { Offset, TopicPartition } from '../log/log.ts'
import type { StreamsApp } from '../runtime/streams-app.ts'

/** What an application, or several in one, tells of itself. */
export type WatchedApp = Pick<StreamsApp, 'state' | 'events' | 'progress' | 'standbys'>

/** An application with what is looked up for it. */
export interface ObservedApp {
  readonly app: WatchedApp
  /** The high watermark of each partition, in the order given. */
  endOffsets(partitions: readonly TopicPartition[]): Promise<readonly Offset[]>
  /** Bytes of local state by task, of this instance. */
  stateBytes(): Promise<ReadonlyMap<string, number>>
}
