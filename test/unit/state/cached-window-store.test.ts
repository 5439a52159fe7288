import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { CachedWindowStore } from '../../../src/state/cached-window-store.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { codecs, StoreRig, type RigOptions } from '../../support/store-rig.ts'

type Rig = StoreRig<CachedWindowStore<string, unknown>>
const WINDOWS = TimeWindows.ofSizeAndGrace(10, 2)

function newRig(closedByRuntime = true, options: RigOptions = {}): Promise<Rig> {
  return StoreRig.with(
    (parts) =>
      new CachedWindowStore<string, unknown>(
        { ...parts, ...codecs(Serdes.string(), Serdes.json<unknown>()) },
        { grid: WINDOWS, closedByRuntime },
      ),
    options,
  )
}

/** Takes all of a window out, as the runtime closes it. */
function closed(rig: Rig, startMs: number): void {
  for (const entry of rig.store.entriesOf(startMs)) rig.store.takeOut(entry)
  rig.store.dropWindow(startMs)
}

describe('CachedWindowStore', () => {
  it('keeps windows of a key apart, and keys of a window', async () => {
    const { store } = await newRig()
    store.put('a', 0, 1)
    store.put('a', 10, 2)
    store.put('b', 0, 3)
    store.delete('b', 10)
    expect([store.fetch('a', 0), store.fetch('a', 10), store.fetch('b', 0)]).toEqual([1, 2, 3])
    expect(store.fetch('b', 10)).toBeUndefined()
    store.delete('a', 0)
    expect(store.fetch('a', 0)).toBeUndefined()
    expect(store.fetch('b', 0)).toBe(3)
  })

  it('finds the windows of a key in a half-open stretch of starts, earliest first', async () => {
    const { store } = await newRig()
    for (const startMs of [30, 0, 20, 10]) store.put('a', startMs, `at ${startMs}`)
    store.put('b', 10, 'of another')
    expect([...store.fetchRange('a', 10, 30)]).toEqual([
      [10, 'at 10'],
      [20, 'at 20'],
    ])
    expect([...store.fetchRange('a', 31, 99)]).toEqual([])
  })

  it('writes keys so that windows lie one behind the other, also beyond what 32 bits hold', async () => {
    const rig = await newRig()
    const startMs = 1_704_067_200_000
    rig.store.put('ä', startMs, 1)
    await rig.commitAndFlush()
    const key = Buffer.from(rig.changelog[0]!.key, 'latin1')
    expect(key.readBigUInt64BE(0)).toBe(BigInt(startMs))
    expect(key.subarray(8).toString()).toBe('ä')
    await rig.restart()
    expect(rig.store.fetch('ä', startMs)).toBe(1)
  })

  it('knows its open windows in order, until their last entry is gone', async () => {
    const rig = await newRig()
    expect(rig.store.earliestStartMs).toBeUndefined()
    for (const startMs of [30, 10, 20]) rig.store.put('a', startMs, 1)
    expect(rig.store.openStartsMs).toEqual([10, 20, 30])
    rig.store.delete('a', 10)
    await rig.commitAndFlush()
    expect(rig.store.earliestStartMs).toBe(20)
  })

  it('takes back a window that a unit had opened', async () => {
    const rig = await newRig()
    rig.transaction.begin()
    rig.store.put('a', 0, 1)
    rig.transaction.rollback()
    expect(rig.store.openStartsMs).toEqual([])
    expect(rig.store.memoryBytes).toBe(0)
  })
})

describe('CachedWindowStore, closing', () => {
  it('answers the live entries of a window in the order of the bytes of their keys', async () => {
    const rig = await newRig()
    for (const key of ['\u{1f600}', 'b', '\uffff', 'a', 'gone']) rig.store.put(key, 0, key)
    rig.store.put('c', 10, 'of another window')
    rig.store.delete('gone', 0)
    expect(rig.store.entriesOf(0).map(({ key }) => key)).toEqual(['a', 'b', '\uffff', '\u{1f600}'])
    expect(rig.store.entriesOf(20)).toEqual([])
  })

  it('forgets a closed window, and writes its deletions', async () => {
    const rig = await newRig()
    rig.store.put('a', 0, 1)
    rig.store.put('b', 0, 2)
    await rig.commitAndFlush()
    closed(rig, 0)
    expect(rig.store.earliestStartMs).toBeUndefined()
    await rig.commitAndFlush()
    expect(rig.changelog.slice(2).map(({ value }) => value)).toEqual([null, null])
    expect((await rig.backendContents()).found.size).toBe(0)
    expect([rig.store.memoryBytes, rig.store.entryCount]).toEqual([0, 0])
  })

  it('writes nothing of a window that opened and closed within one commit', async () => {
    const rig = await newRig()
    rig.store.put('a', 0, 1)
    closed(rig, 0)
    await rig.commitAndFlush()
    expect(rig.changelog).toEqual([])
    expect([rig.store.memoryBytes, rig.store.entryCount]).toEqual([0, 0])
  })

  it('has to load a window that was given back before it closes', async () => {
    const rig = await newRig()
    for (const key of ['a', 'b', 'c']) rig.store.put(key, 0, key)
    rig.store.put('z', 10, 'z')
    await rig.commitAndFlush()
    rig.store.evict(0)
    rig.store.put('b', 0, 'newer')
    rig.store.delete('c', 0)
    expect(rig.store.isLoaded(0)).toBe(false)
    expect(() => rig.store.entriesOf(0)).toThrow(AssertionError)
    await rig.store.loadWindow(0)
    expect(rig.store.isLoaded(0)).toBe(true)
    expect(rig.store.isLoaded(10)).toBe(false)
    expect(rig.store.entriesOf(0).map(({ value }) => value)).toEqual(['a', 'newer'])
  })

  it('undoes a write to an entry it no longer knows, back to what the backend holds', async () => {
    const rig = await newRig()
    rig.store.put('a', 0, 1)
    await rig.commitAndFlush()
    rig.store.evict(0)
    rig.transaction.begin()
    rig.store.put('a', 0, 'undone')
    rig.transaction.rollback()
    expect(rig.store.fetch('a', 0)).toBe(1)
    rig.store.evict(0)
    rig.transaction.begin()
    rig.store.put('a', 0, 'undone')
    rig.transaction.rollback()
    await rig.store.loadWindow(0)
    expect(rig.store.entriesOf(0).map(({ value }) => value)).toEqual([1])
  })

  it('keeps the window of a given-back entry open', async () => {
    const rig = await newRig()
    rig.store.put('a', 0, 1)
    await rig.commitAndFlush()
    rig.store.evict(0)
    expect([rig.store.memoryBytes, rig.store.earliestStartMs]).toEqual([0, 0])
  })
})

describe('CachedWindowStore, expiring by itself', () => {
  it('shows a window until the record is past its close, and removes it later', async () => {
    const rig = await newRig(false)
    rig.store.put('a', 0, 1)
    rig.time.expiredThroughMs = 11
    rig.store.expire(11)
    expect(rig.store.fetch('a', 0)).toBe(1)
    rig.time.expiredThroughMs = 12
    expect(rig.store.fetch('a', 0)).toBeUndefined()
    expect([...rig.store.fetchRange('a', 0, 99)]).toEqual([])
    rig.store.expire(12)
    expect(rig.store.openStartsMs).toEqual([])
    await rig.commitAndFlush()
    expect(rig.changelog).toEqual([])
  })

  it('leaves the windows alone that the runtime closes', async () => {
    const rig = await newRig(true)
    rig.store.put('a', 0, 1)
    rig.time.expiredThroughMs = 99
    rig.store.expire(99)
    expect(rig.store.fetch('a', 0)).toBe(1)
  })

  it('takes a window again that was written again while its deletion is on its way', async () => {
    const rig = await newRig(false)
    rig.store.put('a', 0, 1)
    rig.store.put('b', 0, 1)
    await rig.commitAndFlush()
    rig.store.expire(99)
    rig.store.put('a', 0, 2)
    expect([rig.store.fetch('a', 0), rig.store.fetch('b', 0)]).toEqual([2, undefined])
    await rig.commitAndFlush()
    const { found, expected } = await rig.backendContents()
    expect(found).toEqual(expected)
    expect([...found.values()]).toEqual(['0@2'])
  })
})

describe('CachedWindowStore and values', () => {
  it('refuses an entry that the changelog would refuse', async () => {
    const { store } = await newRig(true, { maxEntryBytes: 50 })
    expect(() => store.put('key', 0, 'x'.repeat(50))).toThrow(
      expect.objectContaining({ code: 'CHANGELOG_ENTRY_TOO_LARGE' }),
    )
    expect(store.fetch('key', 0)).toBeUndefined()
  })

  it('makes values unchangeable where that is asked for', async () => {
    const { store } = await newRig(true, { freezeValues: true })
    const value = { sum: 1 }
    store.put('a', 0, value)
    expect(() => (value.sum = 2)).toThrow(TypeError)
  })

  it('counts what it holds, and holds as much again after a restart', async () => {
    const rig = await newRig()
    for (let index = 0; index < 10; index++) rig.store.put(`k${index}`, index % 3, 'x'.repeat(500))
    await rig.commitAndFlush()
    const held = rig.store.memoryBytes
    expect(held).toBeGreaterThan(10 * 500)
    await rig.restart()
    expect(rig.store.memoryBytes).toBe(held)
    rig.store.evict(held / 2)
    expect(rig.store.memoryBytes).toBeLessThanOrEqual(held / 2)
    rig.store.evict(0)
    expect(rig.store.memoryBytes).toBe(0)
  })
})
