import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { EmitStrategy } from '../../../src/time/emit-strategy.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { differencesBetween, fingerprintOf, type Fingerprint } from '../../../src/topology/fingerprint.ts'
import { Stores } from '../../../src/topology/stores.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

interface Variant {
  readonly topics?: readonly string[]
  readonly size?: number
  readonly advance?: number
  readonly grace?: number
  readonly emit?: EmitStrategy
  readonly ttlMs?: number
  readonly idKind?: 'key-value' | 'window'
  readonly repartitionName?: string
  readonly repartitionValue?: 'json' | 'double'
  readonly aggregate?: 'count' | 'reduce'
  readonly storeName?: string
  readonly threshold?: number
  readonly sink?: string
}

function fingerprint(variant: Variant = {}): Fingerprint {
  const builder = new StreamsBuilder()
  const windows = TimeWindows.ofSizeAndGrace(variant.size ?? 600_000, variant.grace ?? 0)
  const key = Serdes.string()
  const value = Serdes.json<number>()
  builder.addStateStore(
    variant.idKind === 'window'
      ? Stores.windowStore({ name: 'ids', key, value, windows })
      : Stores.keyValueStore({ name: 'ids', key, value, ...(variant.ttlMs && { ttlMs: variant.ttlMs }) }),
  )
  const windowed = builder
    .stream<string, number>(variant.topics ?? ['readings'])
    .filter((_key, reading) => reading > (variant.threshold ?? 0))
    .processValues<number>(() => ({ process: () => undefined }), { stores: ['ids'], name: 'dedupe' })
    .selectKey((one) => one)
    .groupByKey({
      name: variant.repartitionName ?? 'by-room',
      value: variant.repartitionValue === 'double' ? Serdes.double() : value,
    })
    .windowedBy(windows.advanceBy(variant.advance ?? 60_000))
    .emitStrategy(variant.emit ?? EmitStrategy.onWindowClose())
  const options = { name: 'hourly', store: variant.storeName ?? 'hourly', value }
  const table = variant.aggregate === 'reduce' ? windowed.reduce((a) => a, options) : windowed.count(options)
  table.toStream((one) => one.key).to(variant.sink ?? 'out')
  return fingerprintOf(builder.build())
}

const differences = (variant: Variant) => differencesBetween(fingerprint(), fingerprint(variant))

describe('the fingerprint of a topology', () => {
  it('is the same for the same topology', () => {
    expect(differences({})).toEqual([])
    expect(fingerprint()).toEqual(fingerprint())
  })

  it('does not care for functions, stateless stages and sinks', () => {
    expect(differences({ threshold: 5, sink: 'elsewhere' })).toEqual([])
  })

  it.each<[string, Variant, readonly string[]]>([
    ['a window size', { size: 3_600_000 }, ['window of hourly, size (ms): was 600000, is 3600000']],
    ['an advance', { advance: 1_000 }, ['window of hourly, advance (ms): was 60000, is 1000']],
    ['a grace', { grace: 5 }, ['window of hourly, grace (ms): was 0, is 5']],
    [
      'an emit strategy',
      { emit: EmitStrategy.onWindowUpdate() },
      ['window of hourly, emit: was onWindowClose, is onWindowUpdate'],
    ],
    ['a time to live', { ttlMs: 7 }, ['store ids, ttl (ms): was absent, is 7']],
    ['a kind of store', { idKind: 'window' }, ['store ids, kind: was key-value, is window']],
    [
      'the topics',
      { topics: ['readings', 'more'] },
      ['sub-topology 0, inputs: was readings, is more, readings'],
    ],
    [
      'an aggregation',
      { aggregate: 'reduce' },
      ['stage hourly: was windowedCount on hourly, is windowedReduce on hourly'],
    ],
    [
      'how a repartition topic is written',
      { repartitionValue: 'double' },
      ['repartition by-room, serdes: was string -> json, is string -> double'],
    ],
    [
      'a store name',
      { storeName: 'other' },
      [
        'sub-topology 1, stores: was hourly, is other',
        'stage hourly: was windowedCount on hourly, is windowedCount on other',
        'store hourly, kind: was window, is absent',
        'store hourly, serdes: was string -> json, is absent',
        'store other, kind: was absent, is window',
        'store other, serdes: was absent, is string -> json',
      ],
    ],
    [
      'a repartition name',
      { repartitionName: 'by-floor' },
      [
        'sub-topology 1, inputs: was repartition by-room, is repartition by-floor',
        'repartition by-room, serdes: was string -> json, is absent',
        'repartition by-floor, serdes: was absent, is string -> json',
      ],
    ],
  ])('names %s that changed', (_what, variant, expected) => {
    expect(differences(variant)).toEqual(expected)
  })

  it('tells of several changes at once', () => {
    expect(differences({ size: 1_200_000, grace: 1, ttlMs: 3 })).toHaveLength(3)
  })
})
