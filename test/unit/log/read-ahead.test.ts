import { describe, expect, it } from 'vitest'
import { FatalError } from '../../../src/errors.ts'
import type { FetchedChunk, ReaderOptions } from '../../../src/log/log.ts'
import { ReadAhead, type Reading } from '../../../src/log/read-ahead.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

const at = (partition: number): { topic: string; partition: number } => ({ topic: 't', partition })

/** A chunk of `bytes` bytes up to `nextOffset`. */
function chunk(reading: Reading, nextOffset: bigint, bytes: number, end = nextOffset): FetchedChunk {
  const batches = { buffer: Buffer.alloc(bytes), start: 0, end: bytes, fromOffset: reading.position }
  return { partition: reading.at, batches, nextOffset, end, stable: end, start: 0n }
}

function newReadAhead(options: ReaderOptions = {}): {
  clock: SimulatedClock
  ahead: ReadAhead
  fetches: () => number
} {
  const clock = new SimulatedClock()
  let fetches = 0
  const ahead = new ReadAhead({ clock, options, fetch: () => (fetches += 1) })
  return { clock, ahead, fetches: () => fetches }
}

describe('reading ahead', () => {
  it('asks once for any number of assignments of a turn', async () => {
    const { ahead, fetches } = newReadAhead()
    for (const partition of [0, 1, 2]) ahead.assign(at(partition), 0n)
    expect(fetches()).toBe(0)
    await Promise.resolve()
    expect(fetches()).toBe(1)
    expect(ahead.due().map(({ at: { partition } }) => partition)).toEqual([0, 1, 2])
  })

  it('wants nothing more of a partition that is full, paused or under way', async () => {
    const { ahead } = newReadAhead({ prefetchBytes: 200_000, maxPartitionBytes: 40_000 })
    for (const partition of [0, 1, 2]) ahead.assign(at(partition), 0n)
    const [full, paused, busy] = ahead.due() as [Reading, Reading, Reading]
    ahead.accept(full, chunk(full, 1n, 30_000))
    ahead.pause(paused.at)
    busy.inFlight = true
    expect(ahead.due()).toEqual([])
    await ahead.poll(0)
    ahead.resume(paused.at)
    busy.inFlight = false
    expect(ahead.due()).toHaveLength(3)
  })

  it('still fetches a batch larger than any bound, when nothing else is held', () => {
    const { ahead } = newReadAhead({ prefetchBytes: 1, maxPartitionBytes: 1 })
    ahead.assign(at(0), 0n)
    expect(ahead.chunkBytes()).toBe(1)
    expect(ahead.due()).toHaveLength(1)
  })

  it('keeps nothing of an assignment that is over', async () => {
    const { ahead } = newReadAhead()
    ahead.assign(at(0), 0n)
    const [old] = ahead.due() as [Reading]
    ahead.assign(at(0), 5n)
    ahead.accept(old, chunk(old, 1n, 10))
    ahead.fail(old, new FatalError('OLD', 'old'))
    expect(await ahead.poll(0)).toEqual({ chunks: [], failures: [] })
    expect(ahead.due()[0]?.position).toBe(5n)
  })

  it('delivers what tells nothing of records once, as it stands, and nothing that is not new', async () => {
    const { ahead } = newReadAhead()
    ahead.assign(at(0), 0n)
    const [reading] = ahead.due() as [Reading]
    ahead.accept(reading, chunk(reading, 0n, 0, 3n))
    ahead.accept(reading, chunk(reading, 0n, 0, 4n))
    ahead.accept(reading, chunk(reading, 0n, 0, 4n))
    expect((await ahead.poll(0)).chunks.map(({ end }) => end)).toEqual([4n])
    ahead.accept(reading, chunk(reading, 0n, 0, 4n))
    expect((await ahead.poll(0)).chunks).toEqual([])
    ahead.accept(reading, chunk(reading, 2n, 0, 4n))
    expect((await ahead.poll(0)).chunks.map(({ nextOffset }) => nextOffset)).toEqual([2n])
  })

  it('wakes a poll with the first news, or lets it end with its time', async () => {
    const { clock, ahead } = newReadAhead()
    ahead.assign(at(0), 0n)
    const [reading] = ahead.due() as [Reading]
    const woken = ahead.poll(1_000)
    ahead.accept(reading, chunk(reading, 1n, 10))
    expect((await woken).chunks).toHaveLength(1)
    let ended = false
    const quiet = ahead.poll(1_000).then((result) => {
      ended = true
      return result
    })
    await clock.advance(999)
    expect(ended).toBe(false)
    await clock.advance(1)
    expect((await quiet).chunks).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('tells a failure once, and what ends everything to every poll', async () => {
    const { ahead } = newReadAhead()
    ahead.assign(at(0), 0n)
    const error = new FatalError('GONE', 'gone')
    ahead.fail(ahead.due()[0]!, error)
    expect(await ahead.poll(0)).toEqual({ chunks: [], failures: [{ partition: at(0), error }] })
    expect((await ahead.poll(0)).failures).toEqual([])
    ahead.failAll(new FatalError('END', 'all is over'))
    await expect(ahead.poll(0)).rejects.toThrow('all is over')
    await expect(ahead.poll(1_000)).rejects.toThrow('all is over')
  })
})
