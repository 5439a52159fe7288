import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { CachedKeyValueStore } from '../../../src/state/cached-key-value-store.ts'
import { codecs, StoreRig, type RigOptions } from '../../support/store-rig.ts'

type Rig = StoreRig<CachedKeyValueStore<string, unknown>>

function newRig(ranges = true, options: RigOptions = {}): Promise<Rig> {
  return StoreRig.with(
    (parts) =>
      new CachedKeyValueStore<string, unknown>(
        { ...parts, ...codecs(Serdes.string(), Serdes.json<unknown>()) },
        { ranges },
      ),
    options,
  )
}

async function filled(rig: Rig, count: number, valueOf = (index: number): unknown => index): Promise<void> {
  for (let index = 0; index < count; index++) rig.store.put(`k${index}`, valueOf(index))
  await rig.commitAndFlush()
}

describe('CachedKeyValueStore', () => {
  it('puts, answers and deletes, and passes over keys it does not have', async () => {
    const { store } = await newRig()
    store.put('a', 1)
    expect(store.get('a')).toBe(1)
    store.delete('a')
    store.delete('b')
    expect(store.get('a')).toBeUndefined()
  })

  it('tells null, zero and empty text from nothing', async () => {
    const { store } = await newRig()
    for (const value of [null, 0, '', false]) {
      store.put('a', value)
      expect(store.get('a')).toBe(value)
    }
  })

  it('writes a key once per commit, under the time of its last write', async () => {
    const rig = await newRig()
    rig.time.timestampMs = 5
    rig.store.put('a', 1)
    rig.time.timestampMs = 7
    rig.store.put('a', 2)
    rig.prepare()
    expect(rig.changelog).toEqual([{ key: 'a', value: '7@2' }])
  })

  it('writes nothing of a key that came and went within a commit', async () => {
    const rig = await newRig()
    rig.store.put('a', 1)
    rig.store.delete('a')
    await rig.commitAndFlush()
    expect(rig.changelog).toEqual([])
    expect(rig.store.entryCount).toBe(0)
    expect(rig.store.memoryBytes).toBe(0)
  })

  it('writes a tombstone when a key of an earlier commit is deleted, and one only', async () => {
    const rig = await newRig()
    await filled(rig, 1)
    rig.store.delete('k0')
    rig.store.delete('k0')
    await rig.commitAndFlush()
    rig.store.put('k0', 1)
    rig.store.delete('k0')
    await rig.commitAndFlush()
    expect(rig.changelog.map(({ value }) => value)).toEqual(['0@0', null])
  })

  it('deletes what an earlier process wrote', async () => {
    const rig = await newRig()
    await filled(rig, 1)
    await rig.restart()
    rig.store.delete('k0')
    await rig.commitAndFlush()
    expect(rig.changelog.at(-1)).toEqual({ key: 'k0', value: null })
    expect((await rig.backendContents()).found.size).toBe(0)
  })
})

describe('CachedKeyValueStore, ranges', () => {
  it('are half-open, in the order of the bytes of the keys, and show own writes', async () => {
    const { store } = await newRig()
    for (const key of ['b', '\u{1f600}', '\uffff', 'a', 'ä', '']) store.put(key, key)
    store.delete('b')
    const keys = (from?: string, to?: string) => [...store.range(from, to)].map(([key]) => key)
    expect(keys()).toEqual(['', 'a', 'ä', '\uffff', '\u{1f600}'])
    expect(keys('a', '\uffff')).toEqual(['a', 'ä'])
    expect(keys('aa')).toEqual(['ä', '\uffff', '\u{1f600}'])
    expect(keys(undefined, 'a')).toEqual([''])
    expect(keys('z', 'a')).toEqual([])
  })

  it('show what was there when they began, without what has been deleted since', async () => {
    const { store } = await newRig()
    for (const key of ['a', 'b', 'c']) store.put(key, 1)
    const seen: string[] = []
    for (const [key] of store.range()) {
      seen.push(key)
      store.put(`${key}0`, 1)
      if (key === 'a') store.delete('b')
    }
    expect(seen).toEqual(['a', 'c'])
    expect([...store.range()].map(([key]) => key)).toEqual(['a', 'a0', 'c', 'c0'])
  })

  it('find keys again whose values were given back, and keys that came back', async () => {
    const rig = await newRig()
    await filled(rig, 3)
    rig.store.evict(0)
    rig.store.delete('k1')
    await rig.commitAndFlush()
    expect([...rig.store.range()]).toEqual([
      ['k0', 0],
      ['k2', 2],
    ])
    rig.store.put('k1', 'again')
    expect([...rig.store.range('k1', 'k2')]).toEqual([['k1', 'again']])
  })

  it('are refused by a store that was declared without', async () => {
    const { store } = await newRig(false)
    expect(() => [...store.range()]).toThrow(expect.objectContaining({ code: 'STORE_WITHOUT_RANGES' }))
  })
})

describe('CachedKeyValueStore and memory', () => {
  it('counts what it holds, and holds as much again after a restart', async () => {
    const rig = await newRig()
    expect(rig.store.memoryBytes).toBe(0)
    await filled(rig, 10, () => 'x'.repeat(1_000))
    const held = rig.store.memoryBytes
    expect(held).toBeGreaterThan(10 * 1_000)
    await rig.restart()
    expect(rig.store.memoryBytes).toBe(held)
  })

  it('gives back values, and keeps keys where ranges need them', async () => {
    const rig = await newRig(true)
    await filled(rig, 10, () => 'x'.repeat(1_000))
    rig.store.evict(0)
    expect(rig.store.memoryBytes).toBeLessThan(10 * 300)
    expect(rig.store.entryCount).toBe(10)
    expect(rig.store.get('k3')).toBe('x'.repeat(1_000))
  })

  it('gives back whole entries where there are no ranges, and asks the backend for them', async () => {
    const rig = await newRig(false)
    await filled(rig, 10)
    rig.store.evict(0)
    expect([rig.store.memoryBytes, rig.store.entryCount]).toEqual([0, 0])
    expect(rig.store.get('k3')).toBe(3)
    expect(rig.store.get('never there')).toBeUndefined()
    expect(rig.store.entryCount).toBe(1)
  })

  it('gives back no more than it is asked to', async () => {
    const rig = await newRig(false)
    await filled(rig, 10)
    const half = rig.store.memoryBytes / 2
    rig.store.evict(half)
    expect(rig.store.memoryBytes).toBeLessThanOrEqual(half)
    expect(rig.store.entryCount).toBe(5)
  })

  it('keeps what is not on disk yet: dirty, in flight, waiting for a flush, being flushed', async () => {
    const rig = await newRig(false)
    const stages = [
      () => rig.store.put('a', 1),
      () => rig.prepare(),
      () => rig.committed(),
      () => rig.beginFlush(),
    ]
    for (const stage of stages) {
      stage()
      rig.store.evict(0)
      expect(rig.store.entryCount).toBe(1)
    }
    await rig.endFlush()
    rig.store.evict(0)
    expect(rig.store.entryCount).toBe(0)
    expect(rig.store.get('a')).toBe(1)
  })

  it('prefers to give back what was not used since the last time', async () => {
    const rig = await newRig(false)
    await filled(rig, 4)
    rig.store.evict(rig.store.memoryBytes - 1)
    const left = [0, 1, 2, 3].map((index) => `k${index}`).filter((key) => key !== 'k0')
    for (const key of left.slice(1)) rig.store.get(key)
    rig.store.evict(rig.store.memoryBytes - 1)
    expect(rig.store.entryCount).toBe(2)
    const before = rig.store.memoryBytes
    for (const key of left.slice(1)) rig.store.get(key)
    // Nothing had to be brought in again: both were still there.
    expect(rig.store.memoryBytes).toBe(before)
  })

  it('undoes a write to a key it no longer knows, back to what the backend holds', async () => {
    const rig = await newRig(false)
    await filled(rig, 1)
    rig.store.evict(0)
    rig.transaction.begin()
    rig.store.put('k0', 'undone')
    rig.store.delete('k0')
    rig.transaction.rollback()
    expect(rig.store.get('k0')).toBe(0)
  })
})

describe('CachedKeyValueStore and values', () => {
  it('refuses an entry that the changelog would refuse, and keeps the old one', async () => {
    const rig = await newRig(true, { maxEntryBytes: 50 })
    rig.store.put('key', 'x'.repeat(45))
    expect(() => rig.store.put('key', 'x'.repeat(46))).toThrow(
      expect.objectContaining({ code: 'CHANGELOG_ENTRY_TOO_LARGE' }),
    )
    expect(rig.store.get('key')).toBe('x'.repeat(45))
  })

  it('makes values unchangeable where that is asked for, and leaves them alone where not', async () => {
    const frozen = await newRig(true, { freezeValues: true })
    const value = { list: [{ deep: 1 }] }
    frozen.store.put('a', value)
    expect(() => (value.list[0]!.deep = 2)).toThrow(TypeError)
    const free = await newRig(true, { freezeValues: false })
    const other = { list: [1] }
    free.store.put('a', other)
    other.list.push(2)
    expect(other.list).toEqual([1, 2])
  })
})
