/**
 * A process that does to an embedded log what its parent tells it: the program of `log-process.ts`. Every request is
 * answered with a value or an error; `progress` goes out by itself.
 */
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import { openEmbeddedLog, type EmbeddedLog } from '../../src/log/embedded/index.ts'
import type { LogProducer, LogReader } from '../../src/log/log.ts'

export interface ChildRequest {
  readonly id: number
  readonly op: keyof typeof OPS
  readonly args: readonly unknown[]
}

let log: EmbeddedLog
let reader: LogReader
let producer: LogProducer

function tell(progress: unknown): void {
  process.send?.({ progress })
}

function batch(key: string, value: string): RecordBatchBuilder {
  const records = new RecordBatchBuilder()
  records.append(0, key, value)
  return records
}

/** Transactions `from`, `from + 1`, ... without end, each into all partitions of both topics and a group's offset. */
async function commitForever(from: number, partitions: number): Promise<void> {
  const writer = await log.producer({ transactionalId: `writer-${from}` })
  for (let number = from; ; number += 1) {
    const value = `${number}`.padEnd(2000, '.')
    writer.begin()
    const plain = Array.from({ length: partitions }, (_, partition) => {
      return { topic: 'plain', partition, records: batch('k', value) }
    })
    const compacted = {
      topic: 'compacted',
      partition: 0,
      records: batch(`${number % 7}`, value),
    }
    await writer.send([...plain, compacted])
    await writer.addOffsets('group', [{ topic: 'plain', partition: 0, offset: BigInt(number) }])
    await writer.commit()
    tell({ committed: number })
  }
}

async function readForever(topic: string): Promise<void> {
  reader = log.reader()
  reader.assign({ topic, partition: 0 }, 0n)
  const cursor = new RecordCursor()
  for (;;) {
    const { chunks, failures } = await reader.poll(10_000)
    if (failures.length > 0) tell({ failed: failures[0]?.error.code })
    for (const { batches } of chunks) {
      cursor.reset(batches)
      while (cursor.next()) tell({ read: cursor.value()?.toString() })
    }
  }
}

const OPS = {
  async open(directory: string) {
    log = await openEmbeddedLog({ directory, cleaning: { dirtyBytes: 20_000, sliceBytes: 4_000 } })
  },
  createTopics: () =>
    log.createTopics([
      { name: 'plain', partitions: 4 },
      { name: 'compacted', partitions: 1, settings: { cleanup: 'compact' } },
    ]),
  commitForever(from: number, partitions: number) {
    void commitForever(from, partitions)
    return Promise.resolve()
  },
  readForever(topic: string) {
    void readForever(topic)
    return Promise.resolve()
  },
  async join(groupId: string) {
    await log.joinGroup({
      groupId,
      heartbeatIntervalMs: 300,
      metadata: () => Buffer.from(`${process.pid}`),
      assign: (members) =>
        Promise.resolve(new Map(members.map(({ memberId }) => [memberId, Buffer.from('work')]))),
      listener: {
        onAssigned: (_, { generation }) => Promise.resolve(tell({ assigned: generation })),
        onRevoked: () => Promise.resolve(tell({ revoked: true })),
        onLost: (reason) => Promise.resolve(tell({ lost: reason.name })),
        onFailed: (error) => tell({ failed: error.message }),
      },
    })
  },
  async begin(transactionalId: string) {
    producer = await log.producer({ transactionalId })
    producer.begin()
  },
  async send(topic: string, value: string) {
    await producer.send([{ topic, partition: 0, records: batch('k', value) }])
  },
  commit: () => producer.commit(),
  abort: () => producer.abort(),
  again: () => Promise.resolve(producer.begin()),
  committed: async (groupId: string) => {
    const offsets = await log.committedOffsets(groupId, [{ topic: 'plain', partition: 0 }])
    return offsets.map(String)
  },
  close: () => log.close(),
}

process.on('message', (request: ChildRequest) => {
  const op = OPS[request.op] as (...args: readonly unknown[]) => Promise<unknown>
  op(...request.args).then(
    (value) => process.send?.({ id: request.id, value }),
    (error: Error & { code?: string }) => {
      process.send?.({
        id: request.id,
        error: { name: error.name, code: error.code, message: error.message },
      })
    },
  )
})
