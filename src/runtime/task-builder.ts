/** Puts a task together. */
import type { Clock } from '../clock.ts'
import { partitionForKey } from '../log/partitioner.ts'
import type { StateBackend } from '../state/backend.ts'
import { DecisionReplay, type Decision } from '../time/decisions.ts'
import {
  channelKey,
  channelsInto,
  channelsOfTask,
  resultsOrigin,
  type TaskChannel,
} from '../topology/channels.ts'
import type { ErrorPolicy } from '../topology/error-policy.ts'
import { pathGraceMs, updateGraceMs } from '../topology/grace.ts'
import type { PartitionPlan } from '../topology/partition-plan.ts'
import {
  nodeOf,
  type OperatorNode,
  type RepartitionNode,
  type SinkNode,
  type SubTopology,
  type Topology,
} from '../topology/topology.ts'
import { CARRIED } from './header-names.ts'
import type { ApplicationOptions, TimeRange } from './application.ts'
import type { CommitEntry } from './commit-entry.ts'
import type { StreamsConfig } from './config.ts'
import { Counters } from './counters.ts'
import { repartitionTopic } from './internal-topics.ts'
import { Pipeline, type PipelineSinks } from './pipeline.ts'
import { RecordCollector } from './record-collector.ts'
import { RepartitionSender } from './repartition-sender.ts'
import { Stage, write, type StageServices } from './stage.ts'
import { StreamTask } from './task.ts'
import type { TaskId } from './task-id.ts'
import { buildInputs, type BuiltInputs } from './task-inputs-builder.ts'
import type { ChannelEnd } from './input-channel.ts'
import { TaskInputs } from './task-inputs.ts'
import { ResultAttempts, type TaskParts } from './task-parts.ts'
import { TaskStores } from './task-stores.ts'
import { Unit } from './unit.ts'
import { UnitRunner } from './unit-runner.ts'
import { ClosingWindows, WindowCloser, type EmitResult } from './window-closer.ts'

export interface TaskSpec {
  readonly id: TaskId
  readonly topology: Topology
  readonly plan: PartitionPlan
  readonly config: StreamsConfig
  /** What the names of internal topics begin with. */
  readonly topicPrefix: string
  readonly clock: Clock
  readonly backend: StateBackend
  /** The last commit, or the seed of a task that has never committed; `undefined` where there is neither. */
  readonly entry: CommitEntry | undefined
  /** Where to begin in inputs that no commit names. */
  readonly startAt: ReadonlyMap<string, bigint>
  /** Partition counts of sinks, late and dead-letter topics. */
  readonly outputPartitions: ReadonlyMap<string, number>
  /** Silence is decided about. */
  readonly decidesIdleness: boolean
  /** Decisions of an earlier run to be followed. */
  readonly decisions: readonly Decision[] | undefined
  readonly isReplay: boolean
  readonly outputRange: TimeRange | undefined
  readonly outputKeys: ApplicationOptions['outputKeys']
  readonly accepts: ApplicationOptions['accepts']
  readonly freezeValues: boolean
  readonly warn: (message: string) => void
}

/** A task at its last commit, with its state still to be loaded (`parts.stores.load`). */
export function buildTask(spec: TaskSpec): StreamTask {
  const { id, topology, plan, config, clock, entry } = spec
  const part = topology.subTopologies[id.subTopology]!
  const taskChannels = channelsOfTask(part, id.partition, topology, plan.counts)
  const built = buildInputs({ ...spec, channels: taskChannels })
  const unit = new Unit()
  const counters = new Counters(entry?.counts)
  const collector = new RecordCollector(config.maxRecordBytes)
  const stores = buildStores(spec, part, unit)
  let emit: EmitResult = () => false
  const closer = new WindowCloser(
    (closing, store) => emit(closing, store),
    entry?.closedThroughMs ?? -Infinity,
  )
  const senders = buildSenders(spec, part, taskChannels)
  const replay =
    spec.decisions === undefined ? undefined : new DecisionReplay(spec.decisions, entry?.replayedDecisions)
  const services = servicesOf(spec, part, { unit, counters, collector, stores, closer })
  const pipeline = new Pipeline(part, topology, sinksOf(spec, services, senders))
  const parts: TaskParts = {
    clock,
    inputs: new TaskInputs({
      channels: built.channels,
      progress: built.progress,
      ordered: part.ordered,
      idleChannels: built.idleChannels,
      replay,
      closedThroughMs: () => closer.closedThroughMs,
    }),
    built,
    taskChannels,
    entrances: taskChannels.map(({ input }) => pipeline.entrance(input)),
    unit,
    runner: runnerOf(spec, services, stores),
    counters,
    collector,
    stores,
    closer,
    senders: [...senders.values()],
    replay,
    isReplay: spec.isReplay,
    accepts: acceptsOf(spec, taskChannels),
    maxRecordBytes: config.maxRecordBytes,
    decidesIdleness: spec.decidesIdleness,
    finishedRun: entry?.finishedRun ?? 0,
    commitId: entry?.commitId ?? 0,
    attempts: new ResultAttempts(),
    attach: (given) => (emit = given),
    resultsTopic: resultsOrigin,
    needsRewind: () => [...built.repartitions.values()].some((input) => input.needsRewind),
    expectRunOfChannels: (run) => expectRunOf(built, run),
  }
  return new StreamTask(id, parts)
}

/** Records behind a repartition were accepted in front of it. */
function acceptsOf({ accepts }: TaskSpec, taskChannels: readonly TaskChannel[]): TaskParts['accepts'] {
  if (accepts === undefined) return undefined
  return ({ origin, key, timestampMs, failure }) => {
    if (taskChannels[origin.channel]!.isRepartition) return true
    return accepts(key, failure === undefined ? timestampMs : undefined)
  }
}

/** What `servicesOf` hands on to the stages. */
interface ServiceParts extends Pick<StageServices, 'unit' | 'counters' | 'collector'> {
  readonly stores: TaskStores
  readonly closer: WindowCloser
}

function servicesOf(spec: TaskSpec, part: SubTopology, parts: ServiceParts): StageServices {
  const { topology, config, entry } = spec
  const { stores, closer } = parts
  const windowed = windowedNodes(part, topology)
  return {
    ...parts,
    keyValueStore: (name) => stores.keyValueStore(name),
    windowStore: (name) => stores.windowStore(name),
    closing(name, operator) {
      const place = { name, number: windowed.indexOf(name), pathGraceMs: pathGraceMs(topology, name) }
      const store = stores.windowStore(operator.storeName)
      const windows = new ClosingWindows(place, operator, store, entry?.operators[name])
      closer.register(windows)
      return windows
    },
    lateTopic: config.lateTopic,
    withholds: (timestampMs) => withholds(spec, parts, timestampMs),
    partitionOf: (topic, key) => partitionOf(spec, topic, key),
  }
}

function runnerOf(
  spec: TaskSpec,
  { unit, collector, counters }: StageServices,
  stores: TaskStores,
): UnitRunner {
  const { deadLetterTopic } = spec.config
  return new UnitRunner({
    unit,
    transaction: stores.transaction,
    collector,
    counters,
    clock: spec.clock,
    policyOf: (stage) => policyOf(spec, stage),
    sendDeadLetter: ({ timestampMs, key, value, headers }) => {
      if (withholds(spec, { unit, counters }, timestampMs)) return
      const partition = spec.id.partition % partitionsOf(spec, deadLetterTopic)
      collector.add(deadLetterTopic, partition, timestampMs, key, value, headers)
    },
  })
}

/** Whether an output of the unit, with this time, is not to be written; counts it then. */
function withholds(
  { outputRange, outputKeys }: TaskSpec,
  { unit, counters }: Pick<StageServices, 'unit' | 'counters'>,
  timestampMs: number,
): boolean {
  const inRange =
    outputRange === undefined || (timestampMs >= outputRange.fromMs && timestampMs < outputRange.toMs)
  if (inRange && (outputKeys === undefined || outputKeys(unit.key))) return false
  counters.increment('withheld')
  return true
}

function expectRunOf(built: BuiltInputs, run: ChannelEnd | undefined): void {
  for (const channel of built.repartitionChannels) channel.expectRun(run?.run)
  if (run === undefined) for (const source of built.sources.values()) source.endAt(undefined)
}

function buildStores(spec: TaskSpec, part: SubTopology, unit: Unit): TaskStores {
  const { topology, config } = spec
  const closedByRuntime = windowedNodes(part, topology).flatMap(
    (name) => (nodeOf(topology, name) as OperatorNode).stores,
  )
  return new TaskStores({
    stores: part.stores.map((name) => topology.stores.get(name)!),
    closedByRuntime: new Set(closedByRuntime),
    backend: spec.backend,
    time: unit,
    // Keys, headers and framing need room beside the value.
    maxEntryBytes: config.maxRecordBytes - 256,
    freezeValues: spec.freezeValues,
  })
}

function windowedNodes(part: SubTopology, topology: Topology): readonly string[] {
  return part.nodes.filter((name) => {
    const node = nodeOf(topology, name)
    return node.type === 'operator' && node.windowed !== undefined
  })
}

function buildSenders(
  spec: TaskSpec,
  part: SubTopology,
  taskChannels: readonly TaskChannel[],
): ReadonlyMap<string, RepartitionSender> {
  const { id, topology, plan } = spec
  const senders = new Map<string, RepartitionSender>()
  for (const node of part.sinks) {
    if (nodeOf(topology, node).type !== 'repartition') continue
    const numbers = new Map(
      channelsInto(node, topology, plan.counts).map((channel, number) => [channelKey(channel), number]),
    )
    const originOf = ({ origin, path, input, isRepartition }: TaskChannel): number | undefined => {
      const hop = { repartition: input, task: id.partition }
      return numbers.get(channelKey({ origin, path: isRepartition ? [...path, hop] : path }))
    }
    senders.set(
      node,
      new RepartitionSender({
        topic: repartitionTopic(spec.topicPrefix, node),
        partitions: plan.counts.get(node)!,
        originOfChannel: taskChannels.map(originOf),
        originOfOperator: windowedNodes(part, topology).map((operator) =>
          numbers.get(
            channelKey({ origin: { topic: resultsOrigin(operator), partition: id.partition }, path: [] }),
          ),
        ),
        updateGraceMs: updateGraceMs(topology, node),
      }),
    )
  }
  return senders
}

function sinksOf(
  spec: TaskSpec,
  services: StageServices,
  senders: ReadonlyMap<string, RepartitionSender>,
): PipelineSinks {
  const { topology } = spec
  const { collector, unit } = services
  return {
    stageFor(node) {
      const windowed = node.type === 'operator' ? node.windowed : undefined
      return new Stage(node.name, services, windowed, updateGraceMs(topology, node.name))
    },
    sink: (node: SinkNode, stage) => (record) => {
      try {
        if (services.withholds(record.timestampMs)) return
        const key = write(node.key, record.key)
        const value = write(node.value, record.value)
        const hashed = node.partitionBy === undefined ? key : node.partitionBy(record.key, record.value)
        const partition = partitionOf(spec, node.topic, hashed)
        collector.add(node.topic, partition, record.timestampMs, key, value, record.headers)
      } catch (error) {
        stage.fail(error)
      }
    },
    repartition: (node: RepartitionNode, stage) => {
      const sender = senders.get(node.name)!
      return (record) => {
        try {
          const key = write(node.key, record.key)
          const value = write(node.value, record.value)
          const partition =
            key === null ? spec.id.partition % sender.partitions : partitionForKey(key, sender.partitions)
          const headers = [...record.headers, { key: CARRIED, value: sender.carriedBy(unit) }]
          collector.add(sender.topic, partition, record.timestampMs, key, value, headers)
        } catch (error) {
          stage.fail(error)
        }
      }
    },
  }
}

/** A record without key goes where its task's number points: no chance is involved. */
function partitionOf(spec: TaskSpec, topic: string, key: Buffer | string | null): number {
  const count = partitionsOf(spec, topic)
  return key === null ? spec.id.partition % count : partitionForKey(key, count)
}

function partitionsOf(spec: TaskSpec, topic: string): number {
  const count = spec.outputPartitions.get(topic)
  if (count === undefined) throw new Error(`the partition count of output topic ${topic} is not known`)
  return count
}

function policyOf({ topology, config }: TaskSpec, stage: string): ErrorPolicy {
  const { policy } = nodeOf(topology, stage)
  return { ...policy, onError: policy.onError ?? config.onError }
}
