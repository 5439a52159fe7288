/** How the DSL's words for aggregating become one shape. */
import type { Aggregation } from './operators/aggregate.ts'

/** Makes the aggregate of a key before its first value. Pure; called anew for each key and window. */
export type Initializer<A> = () => A
/** The aggregate after one more value. Pure: answers a new aggregate, or the old one where nothing changes. */
export type Aggregator<K, V, A> = (key: K, value: V, aggregate: A) => A
/** Two values of a key as one. Pure. */
export type Reducer<V> = (aggregate: V, value: V) => V

/** Counting, in whatever order. */
export const COUNT: Aggregation<unknown, unknown, number> = {
  first: () => 1,
  next: (_key, _value, count) => count + 1,
}

/** A reducer as an aggregation: the first value is the first aggregate. */
export function reduction<K, V>(reducer: Reducer<V>): Aggregation<K, V, V> {
  return {
    first: (_key, value) => value,
    next: (_key, value, aggregate) => reducer(aggregate, value),
  }
}

/** Initializer and aggregator as an aggregation. */
export function aggregation<K, V, A>(
  initializer: Initializer<A>,
  aggregator: Aggregator<K, V, A>,
): Aggregation<K, V, A> {
  return {
    first: (key, value) => aggregator(key, value, initializer()),
    next: (key, value, aggregate) => aggregator(key, value, aggregate),
  }
}
