/** Writes a scenario's records into the source topics, in batches cut at random, partitions interleaved at random. */
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import type { LogProducer } from '../../src/log/log.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Scenario, ScenarioRecord } from './scenario.ts'

interface FedPartition {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ScenarioRecord[]
  next: number
}

export class Feeder {
  private readonly cluster: SimulatedCluster
  private readonly random: SeededRandom
  private readonly partitions: FedPartition[]
  private producer: LogProducer | undefined

  constructor(cluster: SimulatedCluster, scenario: Scenario, random: SeededRandom) {
    this.cluster = cluster
    this.random = random
    this.partitions = scenario.sources.flatMap(({ topic, partitions }) =>
      partitions.map((records, partition) => ({ topic, partition, records, next: 0 })),
    )
  }

  async createTopics(scenario: Scenario): Promise<void> {
    const topics = scenario.sources.map(({ topic, partitions }) => ({
      name: topic,
      partitions: partitions.length,
    }))
    await this.cluster.drive(this.cluster.log.createTopics(topics))
    this.producer = await this.cluster.drive(this.cluster.log.producer({ transactionalId: 'feeder' }))
  }

  /** Whether all records up to `ends` are written. */
  isAt(ends: Readonly<Record<string, number>>): boolean {
    return this.partitions.every((partition) => partition.next >= endOf(partition, ends))
  }

  /** Writes some records of some partitions, all below `ends`; of none of those in `silent`. */
  async feedSome(
    ends: Readonly<Record<string, number>>,
    most: number,
    silent: ReadonlySet<string>,
  ): Promise<void> {
    const open = this.partitions.filter(
      (partition) => partition.next < endOf(partition, ends) && !silent.has(nameOf(partition)),
    )
    if (open.length === 0) return
    const chosen = this.random.shuffle(open).slice(0, 1 + this.random.int(open.length))
    const batches = chosen.map((partition) => {
      const left = endOf(partition, ends) - partition.next
      const count = Math.min(left, 1 + this.random.int(most))
      const records = new RecordBatchBuilder()
      for (const record of partition.records.slice(partition.next, partition.next + count)) {
        records.append(record.timestampMs, record.key, record.value)
      }
      partition.next += count
      return { topic: partition.topic, partition: partition.partition, records }
    })
    this.producer!.begin()
    await this.cluster.drive(this.producer!.send(batches))
    await this.cluster.drive(this.producer!.commit())
  }

  /** Writes everything up to `ends`. */
  async feedAll(ends: Readonly<Record<string, number>>): Promise<void> {
    while (!this.isAt(ends)) await this.feedSome(ends, 200, new Set())
  }

  /** Names of the source partitions. */
  get names(): readonly string[] {
    return this.partitions.map(nameOf)
  }
}

function nameOf({ topic, partition }: FedPartition): string {
  return `${topic}/${partition}`
}

function endOf(partition: FedPartition, ends: Readonly<Record<string, number>>): number {
  return ends[nameOf(partition)] ?? partition.next
}
