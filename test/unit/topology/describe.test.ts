import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { EmitStrategy } from '../../../src/time/emit-strategy.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { describeAsText, describeTopology } from '../../../src/topology/describe.ts'
import { Stores } from '../../../src/topology/stores.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import type { Topology } from '../../../src/topology/topology.ts'

function built(): Topology {
  const builder = new StreamsBuilder()
  builder.addStateStore(Stores.keyValueStore({ name: 'ids', key: Serdes.string(), value: Serdes.int32() }))
  builder
    .stream<string, number>(['readings', 'more'], { name: 'in' })
    .processValues<number>(() => ({ process: () => undefined }), { name: 'dedupe', stores: ['ids'] })
    .selectKey((key) => key, { name: 'room' })
    .groupByKey({ name: 'by-room' })
    .windowedBy(TimeWindows.ofSizeAndGrace(600_000, 5_000).advanceBy(60_000), { lateTopic: 'late' })
    .count({ name: 'hourly' })
    .toStream(({ key }) => key, { name: 'flat' })
    .to('out', { name: 'results' })
  return builder.build()
}

describe('describeTopology', () => {
  it('tells of every sub-topology its nodes, what they feed, its stores and its order', () => {
    const { subTopologies } = describeTopology(built())
    expect(subTopologies).toHaveLength(2)
    expect(subTopologies[0]).toEqual({
      id: 0,
      order: 'canonical',
      nodes: [
        {
          name: 'in',
          kind: 'source',
          details: ['topics more, readings', 'string -> json'],
          feeds: ['dedupe'],
        },
        { name: 'dedupe', kind: 'processValues', details: ['store ids'], feeds: ['room'] },
        { name: 'room', kind: 'selectKey', details: [], feeds: ['by-room'] },
        { name: 'by-room', kind: 'repartition', details: ['to topic …-by-room-repartition'], feeds: [] },
      ],
      stores: ['ids (key-value)'],
    })
  })

  it('shows a repartition on both sides: where records leave and where they arrive', () => {
    const [, receiver] = describeTopology(built()).subTopologies
    expect(receiver!.order).toBe('as it comes')
    expect(receiver!.nodes[0]).toEqual({
      name: 'by-room',
      kind: 'repartition',
      details: ['from topic …-by-room-repartition'],
      feeds: ['hourly'],
    })
    expect(receiver!.nodes[1]!.details).toEqual([
      'store hourly',
      'windows of 600000 ms every 60000 ms, grace 5000 ms',
      'emits on close',
      'late to late',
    ])
    expect(receiver!.stores).toEqual(['hourly (window)'])
  })

  it('says where windows emit on update, and names no late topic that is not the own one', () => {
    const builder = new StreamsBuilder()
    const windows = TimeWindows.ofSizeWithNoGrace(10)
    const windowed = builder.stream('in').groupByKey().windowedBy(windows)
    windowed.emitStrategy(EmitStrategy.onWindowUpdate()).count({ name: 'w' })
    const [part] = describeTopology(builder.build()).subTopologies
    expect(part!.nodes[1]!.details).toEqual([
      'store w',
      'windows of 10 ms every 10 ms, grace 0 ms',
      'emits on update',
    ])
  })
})

describe('describeAsText', () => {
  it('writes what a person wants to read', () => {
    expect(describeAsText(describeTopology(built()))).toBe(
      [
        'Sub-topology 0 (records taken in canonical order)',
        '  source: in (topics more, readings; string -> json)',
        '    --> dedupe',
        '  processValues: dedupe (store ids)',
        '    --> room',
        '  selectKey: room',
        '    --> by-room',
        '  repartition: by-room (to topic …-by-room-repartition)',
        '  store: ids (key-value)',
        'Sub-topology 1 (records taken as they come)',
        '  repartition: by-room (from topic …-by-room-repartition)',
        '    --> hourly',
        '  windowedCount: hourly (store hourly; windows of 600000 ms every 60000 ms, grace 5000 ms; ' +
          'emits on close; late to late)',
        '    --> flat',
        '  selectKey: flat',
        '    --> results',
        '  sink: results (topic out; string -> json)',
        '  store: hourly (window)',
        '',
      ].join('\n'),
    )
  })
})
