import type { Log } from '../../src/log/log.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'

/** A committed record, as texts. */
export interface ReadRecord {
  readonly offset: bigint
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string])[]
}

/** All committed records of a topic, by partition, in offset order. */
export async function readTopic(log: Log, topic: string): Promise<ReadRecord[][]> {
  const described = (await log.describeTopics([topic])).get(topic)
  const partitions: ReadRecord[][] = []
  const reader = log.reader()
  for (let partition = 0; partition < (described?.partitions ?? 0); partition++) {
    const place = { topic, partition }
    const [start] = await log.offsets('start', [place])
    const [end] = await log.offsets('stable', [place])
    const records: ReadRecord[] = []
    const cursor = new RecordCursor()
    reader.assign(place, start!)
    for (let position = start!; position < end!;) {
      const { chunks } = await reader.poll(100)
      for (const chunk of chunks) {
        cursor.reset(chunk.batches)
        while (cursor.next()) {
          records.push({
            offset: cursor.offset,
            timestampMs: cursor.timestampMs,
            key: cursor.key()?.toString('utf8') ?? null,
            value: cursor.value()?.toString('utf8') ?? null,
            headers: cursor.headers().map(({ key, value }) => [key, value?.toString('utf8') ?? ''] as const),
          })
        }
        position = chunk.nextOffset
      }
    }
    reader.unassign(place)
    partitions.push(records)
  }
  await reader.close()
  return partitions
}
