/** What the comparison with Kafka Streams takes for right, and for committed. */
import { describe, expect, it } from 'vitest'
import { commitsIn } from '../../bench/kafka-streams/broker-files.ts'
import { differences, expectedResults, type Result } from '../../bench/kafka-streams/expected.ts'
import { JSON_FORMAT } from '../../bench/kafka-streams/formats.ts'
import { Readings } from '../../bench/kafka-streams/readings.ts'
import { comparisons, spread, type Measured } from '../../bench/kafka-streams/summary.ts'
import { encodeBatch, encodeMarker } from '../support/reference-batch.ts'
import { oracle } from '../support/sensor-oracle.ts'

const WORKLOAD = { readings: 60_000, sensors: 40, partitions: 3, seed: 7 }
const WINDOWING = { windowMs: 60_000, graceMs: 20_000, validRange: { low: 50, high: 55 }, deduplicate: true }
const readings = new Readings(WORKLOAD)

describe('the results expected of the readings', () => {
  const expected = expectedResults(readings, WINDOWING)

  it('are those of the oracle of the tests, but for the last bits of sums', () => {
    const partitions = Array.from(
      { length: WORKLOAD.partitions },
      () => [] as { key: string; value: string }[],
    )
    for (let index = 0; index < readings.count; index++) {
      const reading = readings.at(index)
      partitions[reading.partition]!.push({
        key: reading.sensorId,
        value: String(JSON_FORMAT.encodeReading(reading)),
      })
    }
    const { aggregates, late } = oracle(partitions, { ...WINDOWING, low: 50, high: 55 })
    const rows = aggregates
      .flat()
      .map((row) => JSON.parse(row) as [string, number, [string, unknown][]])
      .map(([key, , fields]) => [key, Object.fromEntries(fields) as unknown as Result] as const)
      // The oracle flushes, so that the windows of the last readings are there as well.
      .filter(([key]) => !key.startsWith('closing-'))
    expect(late.flat().length).toBeGreaterThan(10)
    expect(rows.length).toBeGreaterThan(900)
    expect(differences(rows, expected)).toEqual([])
  })

  it('hold repeated readings once or twice', () => {
    const counted = (deduplicate: boolean): number => {
      const results = expectedResults(readings, { ...WINDOWING, deduplicate })
      return [...results.values()].reduce((sum, { count }) => sum + count, 0)
    }
    expect(counted(true)).toBeLessThan(counted(false) - 100)
    expect(counted(false)).toBeLessThan(WORKLOAD.readings)
  })

  const rows = [...expected]
  const changed = (change: Partial<Result>): (readonly [string, Result])[] =>
    rows.map(([key, result], at) => [key, at === 5 ? { ...result, ...change } : result])

  it.each([
    ['a count is off by one', changed({ count: rows[5]![1].count + 1 })],
    ['a lowest temperature differs in its last digit', changed({ min: rows[5]![1].min + 0.01 })],
    ['a sum differs by more than rounding', changed({ sum: rows[5]![1].sum * (1 + 1e-8) })],
    ['a result is missing', rows.slice(1)],
    ['a result is there twice', [...rows, rows[0]!]],
    ['a result is there that should not be', [...rows, ['nobody@0', rows[0]![1]] as const]],
  ])('are missed when %s', (_what, found) => {
    expect(differences(found, expected)).toHaveLength(1)
  })

  it('may differ in the last bits of sums', () => {
    expect(differences(changed({ sum: rows[5]![1].sum * (1 + 1e-12) }), expected)).toEqual([])
  })
})

describe('commits in the files of a broker', () => {
  const batch = (baseOffset: number, producerId: number, ...values: string[]): Buffer =>
    encodeBatch({ baseOffset, producerId, transactional: true, records: values.map((value) => ({ value })) })
  const marker = (baseOffset: number, producerId: number, commit: boolean, timestampMs: number): Buffer => {
    const bytes = encodeMarker(baseOffset, producerId, commit ? 'commit' : 'abort')
    bytes.writeBigInt64BE(BigInt(timestampMs), 35)
    return bytes
  }
  const commits = (...batches: Buffer[]) =>
    commitsIn(Buffer.concat(batches), (cursor) => cursor.value()!.toString())

  it('have the time of their marker, whatever else is written in between', () => {
    const found = commits(
      batch(0, 1, 'a', 'b'),
      batch(2, 2, 'x'),
      batch(3, 1, 'c'),
      marker(4, 1, true, 500),
      marker(5, 2, true, 700),
    )
    expect(found).toEqual([
      { committedAtMs: 500, records: ['a', 'b', 'c'] },
      { committedAtMs: 700, records: ['x'] },
    ])
  })

  it('are not those that were aborted, nor without records, nor still open', () => {
    const found = commits(
      batch(0, 1, 'a'),
      marker(1, 1, false, 500),
      marker(2, 1, true, 600),
      batch(3, 1, 'open'),
    )
    expect(found).toEqual([])
  })
})

describe('the comparison', () => {
  const trial = (seconds: number) => ({
    readings: 1_000,
    seconds,
    startSeconds: 1,
    secondHalfSeconds: seconds / 2,
    applicationCpu: seconds,
    brokerCpu: 1,
    startCpu: 1,
    peakMegabytes: 100,
  })
  const measured = (side: Measured['side'], label: string, ...seconds: number[]): Measured => ({
    side,
    label,
    parallel: 1,
    deduplicate: false,
    trials: seconds.map(trial),
  })

  it('is with the faster peer, round by round', () => {
    const [compared] = comparisons([
      measured('millrace', 'own', 1, 2, 1),
      measured('Kafka Streams', 'slow', 9, 9, 9),
      measured('Kafka Streams', 'fast', 5, 4, 6),
    ])
    expect(compared).toMatchObject({ peer: 'fast', speed: { median: 5, least: 2, most: 6 } })
    expect(compared!.cpu.median).toBeCloseTo(0.2)
  })

  it('takes the mean of the two in the middle where there is no one', () => {
    expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, least: 1, most: 4 })
  })
})
