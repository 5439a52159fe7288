/** Makes the channels of a task, at the positions and watermarks of its last commit. */
import { StateMismatchError } from '../errors.ts'
import { InputProgress } from '../time/input-progress.ts'
import { channelKey, type TaskChannel } from '../topology/channels.ts'
import { nodeOf, type SourceNode, type Topology } from '../topology/topology.ts'
import type { ChannelState, CommitEntry } from './commit-entry.ts'
import type { StreamsConfig } from './config.ts'
import type { InputChannel } from './input-channel.ts'
import { RecordReader, type ReaderSpec } from './record-reader.ts'
import { RepartitionChannel } from './repartition-channel.ts'
import { RepartitionInput } from './repartition-input.ts'
import { SourceChannel } from './source-channel.ts'
import { taskName, type TaskId } from './task-id.ts'

export interface InputsSpec {
  readonly id: TaskId
  readonly topology: Topology
  readonly channels: readonly TaskChannel[]
  readonly config: StreamsConfig
  readonly entry: CommitEntry | undefined
  /** Where to begin in each input that no commit names; by source topic or repartition node. */
  readonly startAt: ReadonlyMap<string, bigint>
  readonly isReplay: boolean
  readonly warn: (message: string) => void
}

/** The inputs of a task as it was built. */
export interface BuiltInputs {
  /** By channel number. */
  readonly channels: readonly InputChannel[]
  /** By source topic. */
  readonly sources: ReadonlyMap<string, SourceChannel>
  /** By repartition node. */
  readonly repartitions: ReadonlyMap<string, RepartitionInput>
  /** All channels behind repartitions. */
  readonly repartitionChannels: readonly RepartitionChannel[]
  readonly progress: InputProgress
  readonly idleChannels: readonly number[]
}

/** `StateMismatchError` when the commit names other channels than the topology has now. */
export function buildInputs(spec: InputsSpec): BuiltInputs {
  const { channels: taskChannels, entry } = spec
  const states = entry === undefined ? undefined : statesByKey(spec, entry)
  const stateOf = (channel: TaskChannel): ChannelState | undefined => states?.get(commitKey(channel))
  const progress = new InputProgress(
    taskChannels.length,
    taskChannels.map((channel) => stateOf(channel)?.watermarkMs ?? -Infinity),
  )
  const sources = new Map<string, SourceChannel>()
  const behind = new Map<string, RepartitionChannel[]>()
  const channels = taskChannels.map((channel, number): InputChannel => {
    const origin = {
      channel: number,
      topic: channel.origin.topic,
      partition: channel.origin.partition,
      isReplay: spec.isReplay,
    }
    const state = stateOf(channel)
    if (!channel.isRepartition) {
      const start = entry?.offsets[channel.input] ?? spec.startAt.get(channel.input) ?? 0n
      const source = new SourceChannel(origin, readerFor(channel.input, spec), progress, Number(start))
      sources.set(channel.input, source)
      return source
    }
    const made = new RepartitionChannel(origin, progress, {
      position: state?.position ?? 0,
      takenThrough: state?.takenThrough ?? 0,
      withinSource: state?.withinSource ?? false,
      endedRun: state?.endedRun ?? 0,
      endedWithFlush: state?.endedWithFlush ?? false,
    })
    const siblings = behind.get(channel.input) ?? []
    siblings[channel.numberInInput] = made
    behind.set(channel.input, siblings)
    return made
  })
  const repartitions = new Map<string, RepartitionInput>()
  for (const [node, siblings] of behind) {
    const start = Number(entry?.offsets[node] ?? spec.startAt.get(node) ?? 0n)
    const maxHeldBytes = spec.config.inputBufferBytes
    repartitions.set(node, new RepartitionInput(siblings, readerFor(node, spec), maxHeldBytes, start))
  }
  return {
    channels,
    sources,
    repartitions,
    repartitionChannels: [...behind.values()].flat(),
    progress,
    idleChannels: taskChannels.flatMap((channel, number) =>
      stateOf(channel)?.idle === true ? [number] : [],
    ),
  }
}

/** A channel's name in the commit log: the input matters where an origin reaches a task on two ways. */
export function commitKey(channel: TaskChannel): string {
  return channel.isRepartition ? `${channelKey(channel)} in ${channel.input}` : channelKey(channel)
}

function statesByKey(spec: InputsSpec, entry: CommitEntry): ReadonlyMap<string, ChannelState> {
  const states = new Map(entry.channels.map((state) => [state.channel, state]))
  const expected = new Set(spec.channels.map(commitKey))
  const gone = [...states.keys()].filter((key) => !expected.has(key))
  const added = [...expected].filter((key) => !states.has(key))
  if (gone.length + added.length > 0) {
    throw new StateMismatchError(
      `The inputs of task ${taskName(spec.id)} are not those of its last commit (was the partition count changed?):`,
      [...gone.map((key) => `${key} is gone`), ...added.map((key) => `${key} is new`)],
    )
  }
  return states
}

function readerFor(input: string, spec: InputsSpec): RecordReader {
  const { topology, config, warn } = spec
  const shared = {
    outOfOrdernessMs: config.outOfOrdernessMs,
    maxFutureSkewMs: config.maxFutureSkewMs,
    onUncheckedSkew: onceFor(input, warn),
  }
  const source = sourceOf(topology, input)
  if (source !== undefined) {
    const { name, key, value, timestamp } = source
    return new RecordReader({ stage: name, key, value, timestamp, ...shared })
  }
  const node = nodeOf(topology, input)
  if (node.type !== 'repartition') throw new Error(`${input} is no input`)
  return new RecordReader({ stage: input, key: node.key, value: node.value, timestamp: undefined, ...shared })
}

function sourceOf(topology: Topology, topic: string): SourceNode | undefined {
  for (const node of topology.nodes.values()) {
    if (node.type === 'source' && node.topics.includes(topic)) return node
  }
  return undefined
}

function onceFor(input: string, warn: (message: string) => void): ReaderSpec['onUncheckedSkew'] {
  let told = false
  return () => {
    if (told) return
    told = true
    warn(
      `records of ${input} say nothing of when they entered the log (no LogAppendTime, no header ingested-at): ` +
        'timestamps far in the future are not checked',
    )
  }
}
