import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import { policyOf, type Consumed } from './dsl-options.ts'
import { GraphBuilder } from './graph-builder.ts'
import { KStream } from './kstream.ts'
import { eraseStore, type KeyValueStoreSpec, type WindowStoreSpec } from './stores.ts'
import type { StreamFactory } from './stream-handle.ts'
import type { TimestampExtractor, Topology } from './topology.ts'

const streamOf: StreamFactory = (handle) => new KStream(handle)

/**
 * Where a topology begins.
 *
 * ```ts
 * const builder = new StreamsBuilder()
 * builder.stream<string, Reading>('readings').filter((_sensor, reading) => reading.ok).to('good')
 * const topology = builder.build()
 * ```
 */
export class StreamsBuilder {
  private readonly graph = new GraphBuilder()

  /**
   * Reads one topic, or several as one stream. Several are co-partitioned: partition n of each is read by the same
   * task. Records that cannot be read, or have no valid event time, are dead letters.
   */
  stream<K = string, V = unknown>(
    topics: string | readonly string[],
    consumed: Consumed<K, V> = {},
  ): KStream<K, V> {
    const names = typeof topics === 'string' ? [topics] : [...topics]
    const name = this.graph.nameFor('source', consumed.name)
    const key = consumed.key ?? (Serdes.string() as unknown as Serde<K>)
    const value = consumed.value ?? Serdes.json<V>()
    this.graph.addNode({
      type: 'source',
      name,
      parents: [],
      policy: policyOf(consumed),
      topics: names.sort(),
      key: key as Serde<unknown>,
      value: value as Serde<unknown>,
      timestamp: consumed.timestamp as TimestampExtractor | undefined,
    })
    return streamOf({ graph: this.graph, node: name, key, value, rekeyed: false, streamOf })
  }

  /** Adds a store for processors to connect to. */
  addStateStore<K, V>(store: KeyValueStoreSpec<K, V> | WindowStoreSpec<K, V>): this {
    this.graph.addStore(eraseStore(store))
    return this
  }

  /** The finished topology. Throws one `TopologyError` that names every problem. */
  build(): Topology {
    return this.graph.build()
  }
}
