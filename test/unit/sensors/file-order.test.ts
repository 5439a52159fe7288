import { describe, expect, it } from 'vitest'
import { FileOrder } from '../../../src/sensors/file-order.ts'
import { isBadLine } from '../../../src/sensors/line-reader.ts'
import { ReadingFile } from '../../../src/sensors/reading-files.ts'

const misplaced = (readings: readonly (readonly [string, number])[]): readonly unknown[] => {
  const order = new FileOrder()
  for (const [sensorId, timestamp] of readings) order.add(sensorId, timestamp)
  return order.misplacedSensors()
}
const block = (sensorId: string, count: number, startMs = 0): [string, number][] =>
  Array.from({ length: count }, (_, i) => [sensorId, startMs + i * 1000])
/** Readings of all blocks by time, as sensors take turns. */
const byTime = (...blocks: [string, number][][]): [string, number][] =>
  blocks.flat().sort((a, b) => a[1] - b[1])

describe('FileOrder', () => {
  it('finds every block but the first in a file with a block per sensor', () => {
    const readings = [...block('a', 100), ...block('b', 100), ...block('__proto__', 50)]
    expect(misplaced(readings)).toEqual([
      { sensorId: 'b', behindMs: 99_000 },
      { sensorId: '__proto__', behindMs: 99_000 },
    ])
  })

  it('finds blocks in a short file too', () => {
    expect(misplaced([...block('a', 4), ...block('b', 4)])).toEqual([{ sensorId: 'b', behindMs: 3000 }])
    expect(misplaced([...block('a', 2), ...block('b', 2)])).toHaveLength(1)
  })

  it('finds a sensor that is hours behind all others through a long file', () => {
    const behind = block('b', 1000).map(([sensorId, time]) => [sensorId, time, time + 60_000] as const)
    const onTime = block('a', 1000).map(([sensorId, time]) => [sensorId, time, time] as const)
    const arrivals = [...onTime, ...behind].sort((x, y) => x[2] - y[2])
    expect(misplaced(arrivals.map(([sensorId, time]) => [sensorId, time]))).toEqual([
      { sensorId: 'b', behindMs: 60_000 },
    ])
  })

  it('finds nothing where sensors take turns, start late or rest', () => {
    const rests = [...block('b', 50), ...block('b', 50, 900_000)]
    expect(misplaced(byTime(block('a', 1000), rests, block('c', 100, 700_000)))).toEqual([])
  })

  it('finds nothing in one sensor, however disordered', () => {
    expect(misplaced([...block('a', 100, 500_000), ...block('a', 100)])).toEqual([])
  })

  it('does not take single late readings for a block', () => {
    const readings = byTime(block('a', 200), block('b', 200))
    readings.splice(350, 0, ['b', 20_500])
    expect(misplaced(readings)).toEqual([])
  })

  it('judges neither nothing nor sensors with one reading', () => {
    expect(misplaced([])).toEqual([])
    expect(misplaced([...block('a', 100), ...block('b', 1)])).toEqual([])
  })

  it('finds nothing in the real readings, with their step back', async () => {
    const order = new FileOrder()
    const path = new URL('../../../data/machine_temperature_system_failure.csv', import.meta.url).pathname
    for await (const batch of new ReadingFile(path)) {
      for (const entry of batch)
        if (!isBadLine(entry)) order.add(entry.reading.sensorId, entry.reading.timestamp)
    }
    expect(order.misplacedSensors()).toEqual([])
  })
})
