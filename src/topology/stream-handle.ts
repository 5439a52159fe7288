import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { KStream } from './kstream.ts'

/** What the DSL knows of a stream while the topology is being written. */
export interface StreamHandle<K, V> {
  readonly graph: GraphBuilder
  readonly node: string
  /** Serdes as far as known; a stage that makes new keys or values forgets them. */
  readonly key: Serde<K> | undefined
  readonly value: Serde<V> | undefined
  /** Keys may have changed since the records were partitioned: grouping needs a repartition. */
  readonly rekeyed: boolean
  /** Makes a stream of a handle; carried along because tables and streams lead to each other. */
  readonly streamOf: StreamFactory
}

export type StreamFactory = <K, V>(handle: StreamHandle<K, V>) => KStream<K, V>

/** The handle with serdes filled in: those given, else those known, else text keys and JSON values. */
export function withSerdes<K, V>(
  handle: StreamHandle<K, V>,
  given: { readonly key?: Serde<K>; readonly value?: Serde<V> },
): StreamHandle<K, V> {
  return {
    ...handle,
    key: given.key ?? handle.key ?? (Serdes.string() as unknown as Serde<K>),
    value: given.value ?? handle.value ?? Serdes.json<V>(),
  }
}
