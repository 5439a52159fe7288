/** Positive control: positions that come from the group instead of the commit log. */
import { beforeEach, expect, it, vi } from 'vitest'
import { partitionKey, type Log, type Offset } from '../../src/log/log.ts'
import { repartitionTopic } from '../../src/runtime/internal-topics.ts'
import type * as taskBuilder from '../../src/runtime/task-builder.ts'
import { expectCaught, faultyLog } from './planted-fault.ts'

/** What the group has told of its offsets; `undefined` while nothing is planted. */
const fault = vi.hoisted((): { told: Map<string, Offset | null> | undefined } => ({ told: undefined }))

vi.mock('../../src/runtime/task-builder.ts', async (importOriginal) => {
  const original = await importOriginal<typeof taskBuilder>()
  return {
    ...original,
    buildTask: (spec: taskBuilder.TaskSpec) =>
      original.buildTask(fault.told === undefined ? spec : withGroupOffsets(spec, fault.told)),
  }
})

/** The task as if its commit had no positions: the group's where it has any, else the start of the log. */
function withGroupOffsets(
  spec: taskBuilder.TaskSpec,
  told: ReadonlyMap<string, Offset | null>,
): taskBuilder.TaskSpec {
  const { entry, id, config, topology } = spec
  if (entry === undefined) return spec
  const offsets = Object.keys(entry.offsets).flatMap((input) => {
    const topic =
      topology.nodes.get(input)?.type === 'repartition'
        ? repartitionTopic(config.applicationId, input)
        : input
    const offset = told.get(partitionKey({ topic, partition: id.partition }))
    return offset === undefined || offset === null ? [] : [[input, String(offset)] as const]
  })
  return { ...spec, entry: { ...entry, offsets: Object.fromEntries(offsets) } }
}

function listen(log: Log): Partial<Log> {
  return {
    committedOffsets: async (groupId, partitions) => {
      const offsets = await log.committedOffsets(groupId, partitions)
      partitions.forEach((partition, at) => fault.told?.set(partitionKey(partition), offsets[at]!))
      return offsets
    },
  }
}

beforeEach(() => {
  fault.told = undefined
})

it('the simulation notices that positions come from the group after its offsets have expired', async () => {
  await expectCaught({
    seeds: [5, 19, 26, 21, 23],
    plant: (faults) => {
      fault.told = new Map()
      faults.onRemove(() => (fault.told = undefined))
    },
    cluster: { wrapLog: faultyLog(listen) },
  })
  expect(fault.told).toBeUndefined()
}, 60_000)
