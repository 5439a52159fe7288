import type { StageOptions } from './error-policy.ts'
import type { KStream } from './kstream.ts'
import type { KeyValueMapper } from './operators/map.ts'
import type { StreamHandle } from './stream-handle.ts'

/** The changing results of an aggregation, a value per key; of a windowed one, per key and window. */
export class KTable<K, V> {
  private readonly handle: StreamHandle<K, V>

  /** @internal */
  constructor(handle: StreamHandle<K, V>) {
    this.handle = handle
  }

  /** The table's changes as a stream. */
  toStream(): KStream<K, V>
  /** The table's changes as a stream with keys of another kind. */
  toStream<K2>(mapper: KeyValueMapper<K, V, K2>, options?: StageOptions): KStream<K2, V>
  toStream<K2>(mapper?: KeyValueMapper<K, V, K2>, options?: StageOptions): KStream<K, V> | KStream<K2, V> {
    const stream = this.handle.streamOf(this.handle)
    return mapper === undefined ? stream : stream.selectKey(mapper, options)
  }
}
