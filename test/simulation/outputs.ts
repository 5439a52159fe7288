/** Reads what a run has left in the topics. */
import { RecordCursor } from '../../src/log/record-cursor.ts'
import type { TopicPartition } from '../../src/log/log.ts'
import { DEAD_LETTER, LATE } from '../../src/runtime/header-names.ts'
import { outputTopicsOf, type Topology } from '../../src/topology/topology.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Scenario } from './scenario.ts'

export interface OutputRecord {
  readonly topic: string
  readonly partition: number
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
  /** Of late records. */
  readonly reason: string | undefined
  /** Of late records and dead letters. */
  readonly stage: string | undefined
  readonly code: string | undefined
}

/** The offsets of a source partition's records, by `topic/partition`: a record's index in the list is its number. */
export type SourceOffsets = ReadonlyMap<string, readonly bigint[]>

/** Where the outputs of a run ended, by `topic/partition`. */
export type OutputEnds = ReadonlyMap<string, bigint>

/** All committed records of all output topics from `from` on, partition by partition, in offset order. */
export async function readOutputs(
  cluster: SimulatedCluster,
  scenario: Scenario,
  topology: Topology,
  from: OutputEnds,
): Promise<{ readonly outputs: readonly OutputRecord[]; readonly ends: OutputEnds }> {
  const topics = new Set([...outputTopicsOf(topology), scenario.lateTopic, scenario.deadLetterTopic])
  const described = await cluster.drive(cluster.log.describeTopics([...topics]))
  const records: OutputRecord[] = []
  const ends = new Map<string, bigint>()
  for (const topic of [...topics].sort()) {
    for (let partition = 0; partition < (described.get(topic)?.partitions ?? 0); partition++) {
      const place = `${topic}/${partition}`
      const end = await readPartition(cluster, { topic, partition }, from.get(place), (cursor) => {
        const headers = new Map(cursor.headers().map(({ key, value }) => [key, value?.toString('utf8')]))
        records.push({
          topic,
          partition,
          key: cursor.key()?.toString('utf8') ?? null,
          value: cursor.value()?.toString('utf8') ?? null,
          timestampMs: cursor.timestampMs,
          reason: headers.get(LATE.reason),
          stage: headers.get(DEAD_LETTER.stage) ?? headers.get(LATE.stage),
          code: headers.get(DEAD_LETTER.code),
        })
      })
      ends.set(place, end)
    }
  }
  return { outputs: records, ends }
}

export async function readSourceOffsets(
  cluster: SimulatedCluster,
  scenario: Scenario,
): Promise<SourceOffsets> {
  const offsets = new Map<string, bigint[]>()
  for (const { topic, partitions } of scenario.sources) {
    for (let partition = 0; partition < partitions.length; partition++) {
      const list: bigint[] = []
      offsets.set(`${topic}/${partition}`, list)
      await readPartition(cluster, { topic, partition }, undefined, (cursor) => list.push(cursor.offset))
    }
  }
  return offsets
}

async function readPartition(
  cluster: SimulatedCluster,
  place: TopicPartition,
  from: bigint | undefined,
  take: (cursor: RecordCursor) => void,
): Promise<bigint> {
  const { log } = cluster
  const [first] = await cluster.drive(log.offsets('start', [place]))
  const start = from ?? first
  const [end] = await cluster.drive(log.offsets('stable', [place]))
  const reader = log.reader()
  reader.assign(place, start!)
  const cursor = new RecordCursor()
  for (let position = start!; position < end!;) {
    const { chunks, failures } = await cluster.drive(reader.poll(50))
    if (failures[0] !== undefined) throw failures[0].error
    for (const chunk of chunks) {
      cursor.reset(chunk.batches)
      while (cursor.next()) take(cursor)
      position = chunk.nextOffset
    }
  }
  await cluster.drive(reader.close())
  return end!
}
