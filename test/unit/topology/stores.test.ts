import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { eraseStore, Stores } from '../../../src/topology/stores.ts'

describe('Stores', () => {
  it('declare what they were told, and of which kind they are', () => {
    const key = Serdes.string()
    const value = Serdes.json<number>()
    const windows = TimeWindows.ofSizeWithNoGrace(10)
    expect(Stores.keyValueStore({ name: 'ids', key, value, ttlMs: 5, ranges: false })).toEqual({
      kind: 'key-value',
      name: 'ids',
      key,
      value,
      ttlMs: 5,
      ranges: false,
    })
    expect(Stores.windowStore({ name: 'sums', key, value, windows })).toEqual({
      kind: 'window',
      name: 'sums',
      key,
      value,
      windows,
    })
  })

  it('stay the same object when their types are forgotten, so that adding one twice is seen', () => {
    const store = Stores.keyValueStore({ name: 'ids', key: Serdes.string(), value: Serdes.json<number>() })
    expect(eraseStore(store)).toBe(store)
  })
})
