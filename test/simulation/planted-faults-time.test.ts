/** Positive controls of event time: lateness, order, flushes, recorded decisions. */
import { describe, expect, it } from 'vitest'
import type { CommitEntry } from '../../src/runtime/commit-entry.ts'
import type { InputRecord } from '../../src/runtime/input-record.ts'
import { RepartitionChannel, type QueuedMarker } from '../../src/runtime/repartition-channel.ts'
import { RunningTask } from '../../src/runtime/running-task.ts'
import { StreamTask } from '../../src/runtime/task.ts'
import { TaskInputs } from '../../src/runtime/task-inputs.ts'
import type { Decision } from '../../src/time/decisions.ts'
import type { InputProgress } from '../../src/time/input-progress.ts'
import { expectCaught, type Faults } from './planted-fault.ts'

/** What the faults reach into. */
interface TaskParts {
  readonly inputs: TaskInputs
  readonly isDone: boolean
}

interface InputParts {
  readonly channels: TaskInputs['channels']
  readonly progress: InputProgress
  readonly ended: Uint8Array
  endedCount: number
}

interface ChannelParts {
  readonly progress: InputProgress
  readonly origin: { readonly channel: number }
}

/** Leaves kinds of decisions out of the commit entries. */
function forgetDecisions(faults: Faults, kinds: readonly Decision['kind'][]): void {
  faults.replace<RunningTask, [], CommitEntry>(RunningTask, 'nextEntry', (original) => (running) => {
    const entry = original(running)
    return { ...entry, decisions: entry.decisions.filter(({ kind }) => !kinds.includes(kind)) }
  })
}

/** Judges each record by another watermark than the one that was carried with it. */
function judgeBy(faults: Faults, watermarkOf: (inputs: TaskInputs, record: InputRecord) => number): void {
  faults.replace<TaskParts, [InputRecord], boolean>(StreamTask, 'work', (original) => (task, record) => {
    const own = record.watermarkBeforeMs
    record.watermarkBeforeMs = Math.max(own, watermarkOf(task.inputs, record))
    const worked = original(task, record)
    record.watermarkBeforeMs = own
    return worked
  })
}

describe('the simulation notices that lateness is judged', () => {
  it('by the maximum of the watermarks instead of the own one', async () => {
    const { told } = await expectCaught({
      seeds: [2, 1, 7],
      plant: (faults) => judgeBy(faults, (inputs) => inputs.progress.maximumMs),
    })
    expect(told).toMatch(/late/)
  }, 60_000)

  it('behind a repartition by the markers that have arrived', async () => {
    const arrivedMs = new WeakMap<object, number>()
    const { told } = await expectCaught({
      seeds: [2, 1, 7],
      plant: (faults) => {
        faults.replace<ChannelParts, [InputRecord | QueuedMarker], void>(
          RepartitionChannel,
          'add',
          (original) => (channel, item) => {
            if ('marker' in item) {
              const before = arrivedMs.get(channel) ?? -Infinity
              arrivedMs.set(channel, Math.max(before, item.marker.watermarkMs))
            }
            original(channel, item)
          },
        )
        judgeBy(
          faults,
          ({ channels }, record) => arrivedMs.get(channels[record.origin.channel]!) ?? -Infinity,
        )
      },
    })
    expect(told).toMatch(/late/)
  }, 60_000)
})

describe('the simulation notices that time moves', () => {
  it('when markers arrive instead of when they are taken', async () => {
    await expectCaught({
      seeds: [2, 1, 7],
      plant: (faults) => {
        faults.replace<ChannelParts, [InputRecord | QueuedMarker], void>(
          RepartitionChannel,
          'add',
          (original) => (channel, item) => {
            if ('marker' in item) channel.progress.advance(channel.origin.channel, item.marker.watermarkMs)
            original(channel, item)
          },
        )
      },
    })
  }, 60_000)

  it('with a flush: a flush closes windows and leaves the watermarks where they are', async () => {
    await expectCaught({
      seeds: [1, 3, 7],
      plant: (faults) => {
        faults.replace<InputParts, [], void>(TaskInputs, 'clearEnds', (original) => (inputs) => {
          const { maximumMs } = inputs.progress
          original(inputs)
          inputs.channels.forEach((_, channel) => inputs.progress.advance(channel, maximumMs))
        })
      },
    })
  }, 60_000)
})

describe('the simulation notices that the order', () => {
  it('does not wait for what the other inputs may still deliver', async () => {
    await expectCaught({
      seeds: [1, 3, 2],
      plant: (faults) => faults.replace(TaskInputs, 'blockerOf', () => () => undefined),
    })
  }, 60_000)

  it('waits for nobody any more at the end of a run that is not flushed', async () => {
    await expectCaught({
      seeds: [2, 8, 44],
      plant: (faults) => {
        faults.replace<TaskParts, [], boolean>(StreamTask, 'stopAtEnd', (original) => (task) => {
          const inputs = task.inputs as unknown as InputParts
          if (leaveOutEnded(inputs)) return true
          const answer = original(task)
          if (task.isDone) task.inputs.clearEnds()
          return answer
        })
      },
    })
  }, 60_000)
})

/** Treats the inputs that have reached the end as a run with flush does. */
function leaveOutEnded(inputs: InputParts): boolean {
  const { channels, progress, ended } = inputs
  const reached = channels.filter(
    ({ reachedEnd, origin }) => reachedEnd !== undefined && ended[origin.channel] === 0,
  )
  for (const { origin } of reached) {
    ended[origin.channel] = 1
    inputs.endedCount++
    progress.leaveOut(origin.channel)
  }
  return reached.length > 0
}

describe('the simulation notices that a decision is not recorded', () => {
  it('neither that an input is idle nor that it is back', async () => {
    await expectCaught({
      seeds: [18, 14, 7],
      plant: (faults) => forgetDecisions(faults, ['idle', 'resumed']),
    })
  }, 60_000)

  it('as far as it is back: that it was idle is', async () => {
    await expectCaught({
      seeds: [18, 41, 34],
      plant: (faults) => forgetDecisions(faults, ['resumed']),
    })
  }, 60_000)
})
