/** The processors of simulated topologies, as a user of the DSL writes them. The oracle has its own. */
import type {
  FixedKeyProcessorSupplier,
  KeyValueStore,
  Processor,
  ProcessorSupplier,
  StreamRecord,
} from '../../src/index.ts'
import type { DedupeStage, DifferenceStage, Item, KeySpec, RankingStage } from './topology-spec.ts'
import {
  contentOf,
  differenceItem,
  failWhen,
  newKey,
  rankedItem,
  shifted,
  SimulatedError,
  storeKey,
} from './user-functions.ts'

type Key = string | null

/** Drops what was seen; see `DedupeStage`. */
export function dedupe(stage: DedupeStage): FixedKeyProcessorSupplier<Key, Item, Item> {
  return () => ({
    process({ value }, context) {
      const store = context.keyValueStore<string, string>(stage.store)
      const seen = store.get(value.id)
      if (seen === undefined) {
        store.put(value.id, contentOf(value))
        context.forward(value)
      } else if (seen === contentOf(value)) {
        context.counter(`${stage.name}-duplicates`).increment()
      } else {
        throw new SimulatedError('EVENT_ID_CONFLICT', `${value.id} came with other content`)
      }
    },
  })
}

/** The last n of the record's key, which becomes the record's own. */
function swapLast(store: KeyValueStore<string, number>, key: Key, item: Item): number | undefined {
  const last = store.get(storeKey(key))
  store.put(storeKey(key), item.n)
  return last
}

/** The difference under the same key; see `DifferenceStage`. */
export function differenceValues(stage: DifferenceStage): FixedKeyProcessorSupplier<Key, Item, Item> {
  return () => ({
    process({ key, value }, context) {
      const last = swapLast(context.keyValueStore(stage.store), key, value)
      failWhen(stage.failWhen, value)
      const watermarkMs = stage.tellWatermark ? context.watermarkMs : undefined
      context.forward(differenceItem(value, last, watermarkMs))
    },
  })
}

/** The difference under a new key, which may have another time. */
export function difference(stage: DifferenceStage, by: KeySpec): ProcessorSupplier<Key, Item, Key, Item> {
  return (): Processor<Key, Item, Key, Item> => ({
    process({ key, value, timestampMs }, context) {
      const last = swapLast(context.keyValueStore(stage.store), key, value)
      failWhen(stage.failWhen, value)
      const watermarkMs = stage.tellWatermark ? context.watermarkMs : undefined
      context.forward({
        key: newKey(by, key, value),
        value: differenceItem(value, last, watermarkMs),
        ...(stage.shiftMs !== undefined && { timestampMs: shifted(timestampMs, stage.shiftMs) }),
      })
    },
  })
}

/** The first entries of a range; see `RankingStage`. */
export function ranking(stage: RankingStage): FixedKeyProcessorSupplier<Key, Item, Item> {
  return () => ({
    process(record: StreamRecord<Key, Item>, context) {
      const key = storeKey(record.key)
      const store = context.keyValueStore<string, number>(stage.store)
      if (record.value.n === 0) store.delete(key)
      else store.put(key, record.value.n)
      context.forward(rankedItem(record.value, firstEntries(store, key, stage)))
    },
  })
}

function firstEntries(store: KeyValueStore<string, number>, key: string, stage: RankingStage) {
  const entries: (readonly [string, number])[] = []
  for (const entry of rangeOf(store, key, stage.range)) {
    // Whether a range includes its end is not what is tested here.
    if (entry[0] === '~') continue
    entries.push(entry)
    if (entries.length === stage.take) break
  }
  return entries
}

function rangeOf(
  store: KeyValueStore<string, number>,
  key: string,
  range: RankingStage['range'],
): Iterable<readonly [string, number]> {
  if (range === 'all') return store.range()
  return range === 'fromKey' ? store.range(key) : store.range(key, '~')
}
