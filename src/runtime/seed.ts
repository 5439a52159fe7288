/**
 * Where a replay begins: a commit entry that no commit of the replaying application has written. It has the positions
 * and the event time of another application's commit, or of none, and no state.
 */
import { channelsOfTask } from '../topology/channels.ts'
import type { PartitionPlan } from '../topology/partition-plan.ts'
import type { Topology } from '../topology/topology.ts'
import type { CommitEntry } from './commit-entry.ts'
import type { TaskId } from './task-id.ts'
import { commitKey } from './task-inputs-builder.ts'

/** What a task takes over from the commit of another application: where it stood, and what it knew of time. */
export function seedOf(commit: CommitEntry): CommitEntry {
  return {
    ...commit,
    commitId: 0,
    operators: Object.fromEntries(
      Object.entries(commit.operators).map(([name, state]) => [
        name,
        { ...state, results: 0, openWindows: 0 },
      ]),
    ),
    changelogs: {},
    counts: {},
    finishedRun: 0,
    replayedDecisions: 0,
    decisions: [],
  }
}

/** A task that begins at these offsets, by source topic, and knows nothing of time. */
export function seedAt(
  id: TaskId,
  topology: Topology,
  plan: PartitionPlan,
  offsets: Readonly<Record<string, string>>,
): CommitEntry {
  const part = topology.subTopologies[id.subTopology]!
  const channels = channelsOfTask(part, id.partition, topology, plan.counts).map((channel) => ({
    channel: commitKey(channel),
    watermarkMs: -Infinity,
    position: channel.isRepartition ? 0 : Number(offsets[channel.input] ?? 0),
    takenThrough: 0,
    withinSource: false,
    endedRun: 0,
    endedWithFlush: false,
    idle: false,
  }))
  return {
    formatVersion: 1,
    commitId: 0,
    offsets,
    channels,
    closedThroughMs: -Infinity,
    operators: {},
    changelogs: {},
    counts: {},
    finishedRun: 0,
    replayedDecisions: 0,
    decisions: [],
  }
}
