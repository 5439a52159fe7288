import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { ExpiringKeyValueStore } from '../../../src/state/expiring-key-value-store.ts'
import { codecs, StoreRig, type RigOptions } from '../../support/store-rig.ts'

type Rig = StoreRig<ExpiringKeyValueStore<string, unknown>>

/** A life of 80 ms: buckets of 10 ms. */
const TTL_MS = 80

function newRig(options: RigOptions & { ranges?: boolean } = {}): Promise<Rig> {
  return StoreRig.with(
    (parts) =>
      new ExpiringKeyValueStore<string, unknown>(
        { ...parts, ...codecs(Serdes.string(), Serdes.json<unknown>()) },
        { ttlMs: TTL_MS, ranges: options.ranges ?? true },
      ),
    options,
  )
}

function put(rig: Rig, key: string, timestampMs: number, value: unknown = key): void {
  rig.time.timestampMs = timestampMs
  rig.store.put(key, value)
}

/** The buckets of the chunks that the changelog holds. */
function bucketsOf(rig: Rig): number[] {
  const live = new Map(rig.changelog.map(({ key, value }) => [key, value]))
  return [...live]
    .filter(([, value]) => value !== null)
    .map(([key]) => Number(Buffer.from(key, 'latin1').readBigInt64BE(0)))
    .sort((a, b) => a - b)
}

describe('ExpiringKeyValueStore', () => {
  it('answers an entry until its time plus its life is reached by the record, to the millisecond', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    rig.time.expiredThroughMs = 179
    expect(rig.store.get('a')).toBe('a')
    rig.time.expiredThroughMs = 180
    expect(rig.store.get('a')).toBeUndefined()
    expect([...rig.store.range()]).toEqual([])
  })

  it('judges each record by its own time, whatever was removed for others', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    rig.time.expiredThroughMs = 500
    expect(rig.store.get('a')).toBeUndefined()
    rig.time.expiredThroughMs = 150
    expect(rig.store.get('a')).toBe('a')
  })

  it('lives anew from each write on, also from one with an earlier time', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    put(rig, 'a', 60, 'earlier')
    rig.time.expiredThroughMs = 139
    expect(rig.store.get('a')).toBe('earlier')
    rig.time.expiredThroughMs = 140
    expect(rig.store.get('a')).toBeUndefined()
  })

  it('writes what a commit changed in chunks, one for each bucket', async () => {
    const rig = await newRig()
    for (let index = 0; index < 30; index++) put(rig, `k${index}`, 100 + index)
    rig.prepare()
    expect(bucketsOf(rig)).toEqual([10, 11, 12])
    rig.prepare()
    expect(rig.changelog).toHaveLength(3)
  })

  it('deletes the chunks of a bucket when all in it has expired, and not before', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    await rig.commitAndFlush()
    put(rig, 'b', 109)
    put(rig, 'c', 110)
    await rig.commitAndFlush()
    rig.store.expire(188)
    await rig.commitAndFlush()
    expect(bucketsOf(rig)).toEqual([10, 10, 11])
    rig.store.expire(189)
    await rig.commitAndFlush()
    expect(bucketsOf(rig)).toEqual([11])
    expect((await rig.backendContents()).found.size).toBe(1)
    expect(rig.store.entryCount).toBe(1)
    expect(rig.needlessTombstones).toBe(0)
  })

  it('writes nothing of what expired before its commit', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    rig.store.expire(500)
    await rig.commitAndFlush()
    expect([rig.changelog, rig.store.entryCount]).toEqual([[], 0])
  })

  it('never lets the backend see a chunk that came and went between two flushes', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    rig.prepare()
    rig.committed()
    rig.store.expire(500)
    rig.prepare()
    rig.committed()
    expect(rig.transaction.flushCount).toBe(0)
    expect(rig.transaction.takeFlush()).toEqual([])
  })

  it('keeps a deletion as long as what it deletes could come back', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    await rig.commitAndFlush()
    rig.time.timestampMs = 105
    rig.store.delete('a')
    await rig.commitAndFlush()
    await rig.restart()
    expect(rig.store.get('a')).toBeUndefined()
  })

  it('finds the newest of several chunks after a restart, whatever the times of the writes', async () => {
    const rig = await newRig()
    for (const [timestampMs, value] of [
      [100, 'first'],
      [135, 'second'],
      [101, 'third'],
    ] as const) {
      put(rig, 'a', timestampMs, value)
      await rig.commitAndFlush()
    }
    await rig.restart()
    expect(rig.store.get('a')).toBe('third')
    put(rig, 'a', 102, 'fourth')
    await rig.commitAndFlush()
    await rig.restart()
    expect(rig.store.get('a')).toBe('fourth')
  })

  it('does not let an earlier value come back when the chunk of the newest is deleted', async () => {
    const rig = await newRig()
    put(rig, 'a', 135, 'old value with a late time')
    await rig.commitAndFlush()
    put(rig, 'a', 101, 'new value with an early time')
    await rig.commitAndFlush()
    // The bucket of the early time is over; the entry has gone with its own time.
    rig.store.expire(200)
    await rig.commitAndFlush()
    await rig.restart()
    rig.time.expiredThroughMs = 200
    expect(rig.store.get('a')).toBeUndefined()
  })

  it('makes no chunk larger than the changelog takes, and none much larger than it need be', async () => {
    const rig = await newRig({ maxEntryBytes: 1_000 })
    for (let index = 0; index < 50; index++) put(rig, `k${index}`, 100, 'x'.repeat(100))
    put(rig, 'large', 100, 'x'.repeat(990))
    await rig.commitAndFlush()
    // An entry as large as it may be has the framing of a chunk around it.
    const framing = 17 + 16
    for (const { value } of rig.changelog)
      expect(value!.length).toBeLessThanOrEqual(1_000 + framing + '189@'.length)
    expect(rig.changelog.length).toBeLessThan(20)
    await rig.restart()
    expect(rig.store.entryCount).toBe(51)
  })

  it('splits the many entries of one commit into chunks of a bearable size', async () => {
    const rig = await newRig({ maxEntryBytes: 1_000_000, freezeValues: false })
    for (let index = 0; index < 3_000; index++) put(rig, `k${index}`, 100, 'x'.repeat(100))
    await rig.commitAndFlush()
    for (const { value } of rig.changelog) expect(value!.length).toBeLessThan(140 * 1024)
    expect(rig.changelog.length).toBeLessThan(10)
    await rig.restart()
    expect(rig.store.entryCount).toBe(3_000)
  })

  it('undoes writes and deletions with their unit, and writes nothing of them', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    rig.transaction.begin()
    put(rig, 'a', 150, 'undone')
    put(rig, 'b', 150)
    rig.store.delete('a')
    rig.transaction.rollback()
    expect([rig.store.get('a'), rig.store.get('b')]).toEqual(['a', undefined])
    expect([...rig.store.range()]).toEqual([['a', 'a']])
    await rig.commitAndFlush()
    await rig.restart()
    expect([...rig.store.range()]).toEqual([['a', 'a']])
    expect(rig.store.entryCount).toBe(1)
  })

  it('keeps all that live in memory, whatever it is asked to give back', async () => {
    const rig = await newRig()
    for (let index = 0; index < 10; index++) put(rig, `k${index}`, 100)
    await rig.commitAndFlush()
    const held = rig.store.memoryBytes
    expect(held).toBeGreaterThan(0)
    rig.store.evict(0)
    expect(rig.store.memoryBytes).toBe(held)
    rig.store.expire(500)
    expect(rig.store.memoryBytes).toBe(0)
  })

  it('refuses ranges where it was declared without, too large entries, and changes of frozen values', async () => {
    const rig = await newRig({ ranges: false, maxEntryBytes: 50 })
    expect(() => [...rig.store.range()]).toThrow(expect.objectContaining({ code: 'STORE_WITHOUT_RANGES' }))
    expect(() => put(rig, 'a', 1, 'x'.repeat(50))).toThrow(
      expect.objectContaining({ code: 'CHANGELOG_ENTRY_TOO_LARGE' }),
    )
    expect(rig.store.entryCount).toBe(0)
    const value = { seen: 1 }
    put(rig, 'a', 1, value)
    expect(() => (value.seen = 2)).toThrow(TypeError)
  })

  it('finds damage when it is loaded', async () => {
    const rig = await newRig()
    put(rig, 'a', 100)
    await rig.commitAndFlush()
    for await (const page of rig.backend.scan()) {
      for (const [key, sealed] of page) {
        sealed[sealed.length - 1]! ^= 1
        expect(() => rig.store.load(key, sealed)).toThrow(expect.objectContaining({ code: 'STATE_DAMAGED' }))
      }
    }
  })
})
