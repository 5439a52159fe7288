import { describe, expect, it } from 'vitest'
import { CorruptedStateError } from '../../../src/errors.ts'
import type { Serde } from '../../../src/serde/serde.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { seal } from '../../../src/state/envelope.ts'
import {
  backendPrefix,
  backendPrefixEnd,
  checkEntrySize,
  deepFreeze,
  loadValue,
  splitBackendKey,
  type StoreParts,
} from '../../../src/state/managed-store.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'
import { StoreEntry, type EntryOwner } from '../../../src/state/store-entry.ts'
import { StoreTransaction } from '../../../src/state/store-transaction.ts'
import { codecs } from '../../support/store-rig.ts'

async function partsOf<V>(value: Serde<V>, maxEntryBytes = 100): Promise<StoreParts<string, V>> {
  return {
    name: 's',
    ...codecs(Serdes.string(), value),
    transaction: new StoreTransaction(),
    backend: await new MemoryStateDirectory().open('0_0'),
    time: { timestampMs: 0, expiredThroughMs: -Infinity },
    maxEntryBytes,
    freezeValues: false,
  }
}

describe('the keys of a backend', () => {
  it('begin with their store, and lead back to it', () => {
    const key = Buffer.concat([backendPrefix('store-1'), Buffer.from('a\0b')])
    expect(splitBackendKey(key)).toEqual({ store: 'store-1', key: Buffer.from('a\0b') })
    expect(splitBackendKey(backendPrefix('s'))).toEqual({ store: 's', key: Buffer.alloc(0) })
  })

  it('that belong to no store lead nowhere', () => {
    expect(splitBackendKey(Buffer.from('\0checkpoint'))).toBeUndefined()
    expect(splitBackendKey(Buffer.from('no zero byte'))).toBeUndefined()
    expect(splitBackendKey(Buffer.alloc(0))).toBeUndefined()
  })

  it('of one store lie between its prefix and its end, those of other stores do not', () => {
    const [from, to] = [backendPrefix('b'), backendPrefixEnd('b')]
    const isWithin = (key: Buffer) => Buffer.compare(from, key) <= 0 && Buffer.compare(key, to) < 0
    expect(isWithin(Buffer.concat([from, Buffer.from([255, 255])]))).toBe(true)
    for (const other of ['a', 'b-', 'ba', 'c']) expect(isWithin(backendPrefix(other))).toBe(false)
  })
})

describe('checkEntrySize', () => {
  const tooLarge = expect.objectContaining({ code: 'CHANGELOG_ENTRY_TOO_LARGE' })

  it('counts the bytes of key and value, to the byte', async () => {
    const parts = await partsOf(Serdes.string())
    expect(() => checkEntrySize(parts, 'ä', 'x'.repeat(98))).not.toThrow()
    expect(() => checkEntrySize(parts, 'ä', 'x'.repeat(99))).toThrow(tooLarge)
    expect(() => checkEntrySize(parts, 'k', 'ä'.repeat(49))).not.toThrow()
    expect(() => checkEntrySize(parts, 'k', 'ä'.repeat(50))).toThrow(tooLarge)
  })

  it('encodes only where the bound does not settle the matter', async () => {
    let encoded = 0
    const serde: Serde<number> = {
      name: 'counted',
      serialize(value) {
        encoded++
        return 'x'.repeat(value)
      },
      deserialize: () => 0,
      sizeBound: (value) => value * 2,
    }
    const parts = await partsOf(serde)
    checkEntrySize(parts, 'k', 40)
    expect(encoded).toBe(0)
    checkEntrySize(parts, 'k', 60)
    expect(encoded).toBe(1)
    const { sizeBound: _unbounded, ...unbounded } = serde
    checkEntrySize({ ...parts, values: unbounded }, 'k', 1)
    expect(encoded).toBe(2)
  })

  // At the commit it would be too late: the record could not be undone any more, and every start would meet it again.
  it.each<[string, Serde<never>, unknown]>([
    ['NaN as JSON', Serdes.json(), NaN],
    ['an infinity deep in JSON', Serdes.json(), { mean: [1, Infinity] }],
    ['a lone surrogate in JSON', Serdes.json(), 'a\ud800'],
    ['a BigInt as JSON', Serdes.json(), 5n],
    ['a lone surrogate as text', Serdes.string() as Serde<never>, 'a\ud800'],
    ['a number as text', Serdes.string() as Serde<never>, 5],
    ['a fraction as int32', Serdes.int32() as Serde<never>, 1.5],
    ['a number as int64', Serdes.int64() as Serde<never>, 5],
    ['a text as double', Serdes.double() as Serde<never>, '5'],
    ['a text as bytes', Serdes.bytes() as Serde<never>, '5'],
  ])('refuses what cannot be written at all: %s', async (_what, serde, value) => {
    const parts = await partsOf(serde, 1_000_000)
    expect(() => checkEntrySize(parts, 'k', value as never)).toThrow(
      expect.objectContaining({ code: 'RECORD_UNWRITABLE' }),
    )
  })
})

describe('loadValue', () => {
  const entryOf = () =>
    Object.assign(new StoreEntry<string, number>({} as EntryOwner, 'k', 'k', 0), { loaded: false })

  it('brings value and time into memory', async () => {
    const parts = await partsOf(Serdes.json<number>())
    const key = Buffer.from('s\0k')
    await parts.backend.write([{ key, value: seal(key, 77, '12') }], Buffer.from('c'))
    const entry = entryOf()
    loadValue(parts, entry, key)
    expect(entry).toMatchObject({ value: 12, timestampMs: 77, loaded: true, encodedBytes: 2 })
    expect(entry).toMatchObject({ onDisk: true, inChangelog: true })
  })

  it('leaves an entry without value where the backend has none', async () => {
    const entry = entryOf()
    loadValue(await partsOf(Serdes.json<number>()), entry, Buffer.from('s\0k'))
    expect(entry).toMatchObject({ loaded: true, onDisk: false, inChangelog: false })
    expect(entry.value).toBeUndefined()
  })

  it('finds damage', async () => {
    const parts = await partsOf(Serdes.json<number>())
    const key = Buffer.from('s\0k')
    await parts.backend.write([{ key, value: seal(Buffer.from('s\0other'), 77, '12') }], Buffer.from('c'))
    expect(() => loadValue(parts, entryOf(), key)).toThrow(CorruptedStateError)
  })
})

describe('deepFreeze', () => {
  it('makes objects and arrays unchangeable, however deep', () => {
    const value = { a: [{ b: { c: 1 } }], d: 'text' }
    deepFreeze(value)
    for (const part of [value, value.a, value.a[0], value.a[0]!.b]) expect(Object.isFrozen(part)).toBe(true)
  })

  it('goes on behind what was frozen already', () => {
    const value = Object.freeze({ inner: { changeable: 1 } })
    deepFreeze(value)
    expect(Object.isFrozen(value.inner)).toBe(true)
  })

  it('passes over what has no parts, bytes, and circles', () => {
    const circle: { self?: unknown } = {}
    circle.self = circle
    deepFreeze(circle)
    expect(Object.isFrozen(circle)).toBe(true)
    for (const value of [null, undefined, 5, 'text', 5n, Buffer.from('bytes'), new Float64Array(2)])
      expect(() => deepFreeze(value)).not.toThrow()
  })
})
