import { describe, expect, it } from 'vitest'
import type { Carried, CarriedKind } from '../../../src/runtime/carried-header.ts'
import type { RepartitionChannelState } from '../../../src/runtime/input-channel.ts'
import type { InputRecord } from '../../../src/runtime/input-record.ts'
import { RepartitionChannel, type QueuedMarker } from '../../../src/runtime/repartition-channel.ts'
import { InputProgress } from '../../../src/time/input-progress.ts'
import { inputRecord } from '../../support/chunks.ts'

const ORIGIN = { channel: 0, topic: 'readings', partition: 3, isReplay: false }
const NEW: RepartitionChannelState = {
  position: 0,
  takenThrough: 0,
  withinSource: false,
  endedRun: 0,
  endedWithFlush: false,
}

/** Record number `position` of the origin, at `readOffset` of the repartition partition; its value has ten bytes. */
function record(
  readOffset: number,
  position: number,
  watermarkMs = 0,
  mergeTimeMs = watermarkMs,
): InputRecord {
  const made = inputRecord({ offset: readOffset, value: 'x'.repeat(10) }, ORIGIN, position)
  made.watermarkBeforeMs = watermarkMs
  made.mergeTimeMs = mergeTimeMs
  return made
}

function marker(readOffset: number, kind: CarriedKind, rest: Partial<Carried> = {}): QueuedMarker {
  const carried = {
    kind,
    origin: 0,
    watermarkMs: -Infinity,
    mergeTimeMs: -Infinity,
    position: 0,
    run: 0,
    ...rest,
  }
  return { marker: carried, readOffset }
}

function channelOf(state: Partial<RepartitionChannelState> = {}, progress = new InputProgress(1)) {
  return { progress, channel: new RepartitionChannel(ORIGIN, progress, { ...NEW, ...state }) }
}

/** Takes all there is; the positions of the records. */
function takeAll(channel: RepartitionChannel): number[] {
  const taken: number[] = []
  for (let head = channel.peek(); head !== undefined; head = channel.peek()) {
    taken.push(head.position)
    channel.take(true)
  }
  return taken
}

describe('RepartitionChannel, records', () => {
  it('gives them in the order in which they came, and stands behind what was taken', () => {
    const { channel } = channelOf()
    for (const item of [record(4, 10), record(7, 12), record(8, 13)]) channel.add(item)
    expect([channel.position, channel.peek()!.position]).toEqual([10, 10])
    channel.take(true)
    expect([channel.position, channel.peek()!.position]).toEqual([12, 12])
    expect(takeAll(channel)).toEqual([12, 13])
    expect([channel.position, channel.peek()]).toEqual([14, undefined])
  })

  it('knows the time that the next record carries, and keeps it behind it until something else tells more', () => {
    const { channel, progress } = channelOf()
    channel.add(record(0, 0, 100, 130))
    expect(progress.watermarkMs(0)).toBe(-Infinity)
    channel.peek()
    expect(progress.watermarkMs(0)).toBe(100)
    channel.take(true)
    // The same source record may have caused a further one here, which carries 100 as well.
    expect(progress.watermarkMs(0)).toBe(100)
    channel.add(record(1, 1, 130, 130))
    channel.peek()
    expect(progress.watermarkMs(0)).toBe(130)
  })

  it('has the same time behind a record whatever has become of it here: it passed its source', () => {
    const { channel, progress } = channelOf()
    channel.add(record(0, 0, 100, 130))
    channel.peek()
    channel.take(false)
    expect(progress.watermarkMs(0)).toBe(100)
  })

  it('knows how much waits', () => {
    const { channel } = channelOf()
    for (const item of [record(0, 0), marker(1, 'watermark'), record(2, 1)]) channel.add(item)
    expect(channel.heldBytes).toBe(20)
    channel.peek()
    channel.take(true)
    expect(channel.heldBytes).toBe(10)
  })

  it('lets taken items go, and goes on, over many of them', () => {
    const { channel } = channelOf()
    const taken: number[] = []
    for (let position = 0; position < 2_000; position++) {
      channel.add(record(position * 2, position))
      channel.add(marker(position * 2 + 1, 'watermark', { position: position + 1 }))
      if (position % 7 === 0) taken.push(...takeAll(channel))
    }
    taken.push(...takeAll(channel))
    expect(taken).toEqual(Array.from({ length: 2_000 }, (_, position) => position))
    expect(channel.state.takenThrough).toBe(4_000)
  })
})

describe('RepartitionChannel, markers', () => {
  it('move time and position when they are reached, not before', () => {
    const { channel, progress } = channelOf()
    for (const item of [record(0, 0, 100), marker(1, 'watermark', { watermarkMs: 300, position: 9 })])
      channel.add(item)
    channel.peek()
    expect([progress.watermarkMs(0), channel.position]).toEqual([100, 0])
    channel.take(true)
    channel.peek()
    expect([progress.watermarkMs(0), channel.position]).toEqual([300, 9])
    expect(channel.state).toMatchObject({ position: 9, takenThrough: 2 })
  })

  it('never move the position back', () => {
    const { channel } = channelOf()
    for (const item of [record(0, 7), marker(1, 'watermark', { position: 3 })]) channel.add(item)
    takeAll(channel)
    expect(channel.position).toBe(8)
  })

  it('say that the sender is silent, until a record or the word of progress comes', () => {
    const { channel } = channelOf()
    channel.add(marker(0, 'idle'))
    channel.peek()
    expect([channel.saidIdle, channel.hasSpoken]).toEqual([true, false])
    channel.add(marker(1, 'watermark', { watermarkMs: 5 }))
    expect(channel.hasSpoken).toBe(true)
    channel.add(marker(2, 'idle'))
    expect(channel.hasSpoken).toBe(false)
    channel.add(record(3, 0))
    expect(channel.hasSpoken).toBe(true)
    takeAll(channel)
    expect([channel.saidIdle, channel.hasSpoken]).toEqual([false, true])
  })
})

describe('RepartitionChannel, the end of a bounded run', () => {
  const end = (readOffset: number, run: number, flush = true) =>
    marker(readOffset, flush ? 'end-with-flush' : 'end', { run, position: 5 })

  it('is reached when its marker is, in the run that is expected only', () => {
    const { channel } = channelOf()
    channel.expectRun(2)
    for (const item of [record(0, 0), end(1, 1), record(2, 1), end(3, 2)]) channel.add(item)
    expect(channel.reachedEnd).toBeUndefined()
    expect(takeAll(channel)).toEqual([0, 1])
    expect(channel.reachedEnd).toEqual({ run: 2, flush: true })
  })

  it('holds what lies behind it until the run is over', () => {
    const { channel } = channelOf()
    channel.expectRun(1)
    for (const item of [record(0, 0), end(1, 1), record(2, 1)]) channel.add(item)
    expect(takeAll(channel)).toEqual([0])
    channel.expectRun(undefined)
    expect(takeAll(channel)).toEqual([1])
  })

  it('without flush is told, and says whether it was with or without', () => {
    const { channel } = channelOf()
    channel.expectRun(1)
    for (const item of [end(0, 1, false)]) channel.add(item)
    expect(channel.reachedEnd).toEqual({ run: 1, flush: false })
    expect(channel.state).toMatchObject({ endedRun: 1, endedWithFlush: false })
  })

  it('has arrived also while records in front of it wait, and where it was dropped to save memory', () => {
    const { channel } = channelOf()
    channel.expectRun(1)
    for (const item of [record(0, 0), record(1, 1)]) channel.add(item)
    channel.dropTail()
    expect(channel.endArrived).toBe(false)
    channel.add(end(2, 1))
    expect([channel.endArrived, channel.reachedEnd]).toEqual([true, undefined])
  })

  it('has to arrive once more after a rewind: what lies before it is not there yet', () => {
    const { channel } = channelOf()
    channel.expectRun(1)
    for (const item of [record(0, 0), record(1, 1), end(2, 1, false)]) channel.add(item)
    channel.dropTail()
    expect(takeAll(channel)).toEqual([0])
    channel.rewound()
    expect([channel.needsRewind, channel.endArrived]).toEqual([false, false])
    for (const item of [record(1, 1), end(2, 1, false)]) channel.add(item)
    expect(channel.endArrived).toBe(true)
    expect(takeAll(channel)).toEqual([1])
  })

  it('is remembered over a restart', () => {
    const { channel } = channelOf({ endedRun: 3, endedWithFlush: true, takenThrough: 9 })
    channel.expectRun(3)
    expect([channel.reachedEnd, channel.endArrived]).toEqual([{ run: 3, flush: true }, true])
    channel.expectRun(4)
    expect([channel.reachedEnd, channel.endArrived]).toEqual([undefined, false])
  })
})

describe('RepartitionChannel, reading again', () => {
  it('passes over what was taken before a restart', () => {
    const { channel } = channelOf({ position: 12, takenThrough: 8 })
    expect(channel.position).toBe(12)
    for (const item of [record(4, 10), record(7, 11), record(8, 12)]) channel.add(item)
    expect(takeAll(channel)).toEqual([12])
  })

  it('passes over what is waiting already', () => {
    const { channel } = channelOf()
    const items = [record(0, 0), record(3, 1)]
    for (const item of [...items, ...items, record(4, 2)]) channel.add(item)
    expect([channel.knows(3), channel.knows(4), channel.knows(5)]).toEqual([true, true, false])
    expect(takeAll(channel)).toEqual([0, 1, 2])
  })

  it('gives back all but the first, and asks for the rest when that is taken', () => {
    const { channel } = channelOf()
    for (const item of [record(0, 0), record(3, 1), record(5, 2)]) channel.add(item)
    expect(channel.dropTail()).toBe(20)
    expect([channel.heldBytes, channel.firstWaiting, channel.needsRewind]).toEqual([10, 0, false])
    // What comes behind what was dropped comes too early.
    channel.add(record(9, 3))
    expect(channel.knows(9)).toBe(true)
    expect(takeAll(channel)).toEqual([0])
    expect([channel.firstWaiting, channel.needsRewind]).toEqual([3, true])
    channel.rewound()
    expect([channel.needsRewind, channel.knows(0), channel.knows(3)]).toEqual([false, true, false])
    for (const item of [record(0, 0), record(3, 1), record(5, 2), record(9, 3)]) channel.add(item)
    expect(takeAll(channel)).toEqual([1, 2, 3])
  })

  it('has nothing to give back of one item or none', () => {
    const { channel } = channelOf()
    expect(channel.dropTail()).toBe(0)
    channel.add(record(0, 0))
    expect([channel.dropTail(), channel.needsRewind, channel.firstWaiting]).toEqual([0, false, 0])
  })

  it('may drop a second time what came after the rewind', () => {
    const { channel } = channelOf()
    for (const item of [record(0, 0), record(3, 1)]) channel.add(item)
    channel.dropTail()
    expect(channel.dropTail()).toBe(0)
    channel.rewound()
    for (const item of [record(3, 1), record(5, 2)]) channel.add(item)
    expect(channel.dropTail()).toBe(20)
    expect(channel.firstWaiting).toBe(0)
  })

  it('goes on from its state as if nothing had happened', () => {
    const items = [
      record(0, 0, 5, 6),
      marker(1, 'watermark', { watermarkMs: 9, position: 4 }),
      record(2, 4),
      record(6, 5),
    ]
    const { channel } = channelOf()
    for (const item of items) channel.add(item)
    for (let count = 0; count < 2; count++) {
      channel.peek()
      channel.take(true)
    }
    const next = channelOf(channel.state).channel
    for (const item of items) next.add(item)
    expect([next.position, takeAll(next)]).toEqual([5, [5]])
  })
})
