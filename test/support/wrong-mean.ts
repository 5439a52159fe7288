/**
 * An aggregator with a defect: its mean leaves out the last reading of each window. And, by a few plain loops over the
 * readings, which windows that makes wrong: nothing of the program's own code.
 */
import type { Log, LogProducer } from '../../src/log/log.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import { rationalSum } from './rational-sum.ts'

export interface CountedWindow {
  readonly sensorId: string
  readonly startMs: number
  /** In the order in which they counted. */
  readonly temperatures: number[]
}

/** The windows and their readings, by result key, for each partition's records in order. */
export function countWindows(
  partitions: readonly (readonly { readonly key: string | null; readonly value: string | null }[])[],
  { windowMs, graceMs }: { readonly windowMs: number; readonly graceMs: number },
): ReadonlyMap<string, CountedWindow> {
  const windows = new Map<string, CountedWindow>()
  for (const records of partitions) {
    const seen = new Map<string, number>()
    let watermarkMs = -Infinity
    for (const { value } of records) {
      const { eventId, sensorId, timestamp, temperature } = JSON.parse(value!) as {
        eventId: string
        sensorId: string
        timestamp: number
        temperature: number
      }
      const startMs = timestamp - (timestamp % windowMs)
      const before = seen.get(eventId)
      if (before === undefined || before + windowMs + graceMs <= watermarkMs) {
        seen.set(eventId, timestamp)
        if (startMs + windowMs + graceMs > watermarkMs) {
          const key = `${sensorId}@${startMs}`
          const window = windows.get(key) ?? { sensorId, startMs, temperatures: [] }
          windows.set(key, window)
          window.temperatures.push(temperature)
        }
      }
      watermarkMs = Math.max(watermarkMs, timestamp)
    }
  }
  return windows
}

/** The mean as it should be, and as the defect has it. */
export function meansOf({ temperatures }: CountedWindow): { readonly right: number; readonly wrong: number } {
  const most = temperatures.length > 1 ? temperatures.slice(0, -1) : temperatures
  return { right: rationalSum(temperatures) / temperatures.length, wrong: rationalSum(most) / most.length }
}

/** The log, with the means of what is written into `aggregates` replaced by wrong ones. */
export function logWithWrongMeans(inner: Log, windows: ReadonlyMap<string, CountedWindow>): Log {
  const spoiled = (producer: LogProducer): LogProducer =>
    new Proxy(producer, {
      get(target, name) {
        if (name === 'send') {
          return (batches: Parameters<LogProducer['send']>[0]) =>
            target.send(
              batches.map((batch) =>
                batch.topic === 'aggregates' ? { ...batch, records: spoil(batch.records, windows) } : batch,
              ),
            )
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'producer') {
        return async (options: Parameters<Log['producer']>[0]) => spoiled(await target.producer(options))
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function spoil(records: RecordBatchBuilder, windows: ReadonlyMap<string, CountedWindow>): RecordBatchBuilder {
  const owner = { producerId: -1n, epoch: -1, baseSequence: -1, transactional: false }
  const buffer = Buffer.from(records.build(owner))
  const cursor = new RecordCursor()
  const wrong = new RecordBatchBuilder()
  cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
  while (cursor.next()) {
    const key = cursor.key()!.toString('utf8')
    const value = JSON.parse(cursor.value()!.toString('utf8')) as Record<string, unknown>
    const text = JSON.stringify({ ...value, mean: meansOf(windows.get(key)!).wrong })
    wrong.append(cursor.timestampMs, key, text, [
      ...cursor.headers(),
      { key: 'build', value: Buffer.from('wrong') },
    ])
  }
  return wrong
}
