/** What a plan has to know of the log and of the live application; gathered once, nothing is written. */
import { FatalError } from '../../errors.ts'
import type { Offset, TopicPartition } from '../../log/log.ts'
import type { StreamsConfig } from '../../runtime/config.ts'
import { inputsOf } from '../../topology/channels.ts'
import type { Fingerprint } from '../../topology/fingerprint.ts'
import { planPartitions, type PartitionPlan } from '../../topology/partition-plan.ts'
import { sourceTopicsOf, type SourceNode, type Topology } from '../../topology/topology.ts'
import { readLiveHistory, type TaskHistory } from './live-history.ts'
import type { PlanSpec } from './plan-spec.ts'
import { sampleSources, type SourceSample } from './source-sample.ts'
import { spansOf, type Spans } from './spans.ts'

/** A source partition. */
export interface SourceInput {
  readonly partition: TopicPartition
  readonly source: SourceNode
  readonly start: Offset
  readonly end: Offset
}

export interface PlanFacts {
  readonly config: StreamsConfig
  readonly plan: PartitionPlan
  readonly spans: Spans
  readonly inputs: readonly SourceInput[]
  /** Sub-topologies that read sources. */
  readonly readers: ReadonlySet<number>
  readonly histories: ReadonlyMap<string, TaskHistory>
  readonly liveFingerprint: Fingerprint | undefined
  readonly sample: SourceSample
  /** Sources that the log compacts. */
  readonly compacted: readonly string[]
  /** Sources whose record timestamps are the log's own. */
  readonly appendTime: boolean
  readonly warnings: readonly string[]
}

/** `FatalError` `TOPIC_UNKNOWN` where a source does not exist. */
export async function gatherFacts(spec: PlanSpec, config: StreamsConfig): Promise<PlanFacts> {
  const { log, topology, clock, applicationId } = spec
  const topics = sourceTopicsOf(topology)
  const described = await log.describeTopics(topics)
  for (const topic of topics) {
    if (!described.has(topic)) throw new FatalError('TOPIC_UNKNOWN', `There is no topic ${topic}.`)
  }
  const plan = planPartitions(
    topology,
    new Map([...described].map(([topic, { partitions }]) => [topic, partitions])),
  )
  const readers = readersOf(topology)
  // Before the ends are captured: what live has committed by now lies below them.
  const histories = await readLiveHistory(log, applicationId, (part) => readers.has(part))
  const inputs = await inputsIn(spec, plan)
  const settings = [...described.values()].map((topic) => ({ name: topic.name, ...topic.settings }))
  const deleting = settings.filter(({ cleanup, retentionMs }) => cleanup === 'delete' && retentionMs !== -1)
  return {
    config,
    plan,
    spans: spansOf(topology),
    inputs,
    readers,
    histories,
    liveFingerprint: [...histories.values()].find(({ fingerprint }) => fingerprint !== undefined)
      ?.fingerprint,
    sample: await sampleSources(log, clock, inputs),
    compacted: settings.filter(({ cleanup }) => cleanup === 'compact').map(({ name }) => name),
    appendTime: settings.some(({ timestampType }) => timestampType === 'append'),
    warnings: deleting.map(
      ({ name, retentionMs }) =>
        `${name} deletes records ${retentionMs} ms after their timestamps: what is planned may be gone by the run`,
    ),
  }
}

function readersOf(topology: Topology): ReadonlySet<number> {
  return new Set(
    topology.subTopologies
      .filter((part) => inputsOf(part, topology).some(({ isRepartition }) => !isRepartition))
      .map(({ id }) => id),
  )
}

async function inputsIn({ log, topology }: PlanSpec, plan: PartitionPlan): Promise<readonly SourceInput[]> {
  const inputs: SourceInput[] = []
  for (const node of topology.nodes.values()) {
    if (node.type !== 'source') continue
    for (const topic of node.topics) {
      for (let number = 0; number < plan.counts.get(topic)!; number++) {
        const partition = { topic, partition: number }
        const [start] = await log.offsets('start', [partition])
        const [end] = await log.offsets('end', [partition])
        inputs.push({ partition, source: node, start: start!, end: end! })
      }
    }
  }
  return inputs
}
