import { describe, expect, it } from 'vitest'
import { JournaledEntry, StoreEntry, type EntryOwner } from '../../../src/state/store-entry.ts'

const owner = {} as EntryOwner

describe('StoreEntry', () => {
  it('begins empty, in memory, clean, and known to nobody else', () => {
    const entry = new StoreEntry(owner, 'k', 'text', 70)
    expect(entry).toMatchObject({ key: 'k', text: 'text', startMs: 70, loaded: true, isClean: true })
    expect([entry.value, entry.committed, entry.inChangelog, entry.onDisk]).toEqual([
      undefined,
      undefined,
      false,
      false,
    ])
    expect(entry).toBeInstanceOf(JournaledEntry)
  })

  it.each([
    [{ dirty: true }],
    [{ flushPending: true }],
    [{ inFlight: 1 }],
    [{ inFlight: 2, flushPending: true, dirty: true }],
  ])('is not clean while %o', (state) => {
    const entry = Object.assign(new StoreEntry(owner, 'k', 'k', 0), state)
    expect(entry.isClean).toBe(false)
  })
})
