import { describe, expect, it } from 'vitest'
import type { BackendWrite } from '../../../src/state/backend.ts'
import { JournaledEntry, type EntryOwner } from '../../../src/state/store-entry.ts'
import { StoreTransaction } from '../../../src/state/store-transaction.ts'

/** A store that notes what the transaction tells it. */
class NotingStore implements EntryOwner {
  readonly name: string
  readonly calls: string[] = []
  flushCount = 0

  constructor(name: string, transaction: StoreTransaction) {
    this.name = name
    transaction.register(this)
  }

  entry(): JournaledEntry {
    return new JournaledEntry(this)
  }

  prepare(entry: JournaledEntry): void {
    this.calls.push(`prepare ${String(entry.value)}`)
  }
  endPrepare(): void {
    this.calls.push('end')
  }
  committed(): void {
    this.calls.push('committed')
  }
  takeFlush(writes: BackendWrite[]): void {
    writes.push({ key: Buffer.from(this.name), value: null })
  }
  flushed(): void {
    this.calls.push('flushed')
  }
  undone(entry: JournaledEntry): void {
    this.calls.push(`undone ${String(entry.value)}`)
  }
}

const ignore = (): void => undefined

describe('StoreTransaction, undo', () => {
  it('takes back what a unit wrote, and nothing of the units before', () => {
    const transaction = new StoreTransaction()
    const store = new NotingStore('s', transaction)
    const [kept, fresh] = [store.entry(), store.entry()]
    transaction.begin()
    transaction.write(kept, 'before', 5)
    transaction.begin()
    transaction.write(kept, 'first', 6)
    transaction.write(kept, undefined, 7)
    transaction.write(fresh, 'new', 7)
    transaction.rollback()
    expect(kept).toMatchObject({ value: 'before', timestampMs: 5, dirty: true })
    expect(fresh).toMatchObject({ value: undefined, timestampMs: 0, dirty: false, loaded: true })
    expect(transaction.dirtyCount).toBe(1)
    expect(store.calls).toEqual(['undone undefined', 'undone first', 'undone before'])
  })

  it('puts an entry back out of memory that was not in it', () => {
    const transaction = new StoreTransaction()
    const entry = new NotingStore('s', transaction).entry()
    entry.loaded = false
    transaction.begin()
    transaction.write(entry, 'v', 5)
    expect(entry.loaded).toBe(true)
    transaction.rollback()
    expect(entry).toMatchObject({ value: undefined, loaded: false, dirty: false })
  })

  it('undoes once: a second rollback, or one after a commit was prepared, takes back nothing', () => {
    const transaction = new StoreTransaction()
    const entry = new NotingStore('s', transaction).entry()
    transaction.begin()
    transaction.write(entry, 'a', 5)
    transaction.rollback()
    transaction.begin()
    transaction.write(entry, 'b', 6)
    transaction.prepare(ignore)
    transaction.rollback()
    expect(entry.value).toBe('b')
    transaction.write(entry, 'c', 7)
    transaction.rollback()
    expect([entry.value, transaction.dirtyCount]).toEqual(['b', 0])
  })

  it('makes an entry of an earlier unit dirty again after a commit, and clean again when that is undone', () => {
    const transaction = new StoreTransaction()
    const entry = new NotingStore('s', transaction).entry()
    transaction.write(entry, 'a', 5)
    transaction.prepare(ignore)
    expect([entry.dirty, transaction.dirtyCount]).toEqual([false, 0])
    transaction.begin()
    transaction.write(entry, 'b', 6)
    expect([entry.dirty, transaction.dirtyCount]).toEqual([true, 1])
    transaction.rollback()
    expect([entry.dirty, transaction.dirtyCount, entry.value]).toEqual([false, 0, 'a'])
  })
})

describe('StoreTransaction, commits and flushes', () => {
  it('tells each changed entry once to its store, in the order of the first changes, then ends for all stores', () => {
    const transaction = new StoreTransaction()
    const [one, two] = [new NotingStore('one', transaction), new NotingStore('two', transaction)]
    const [a, b] = [one.entry(), one.entry()]
    transaction.write(a, 'a1', 1)
    transaction.write(b, 'b', 1)
    transaction.write(a, 'a2', 1)
    transaction.prepare(ignore)
    transaction.prepare(ignore)
    expect(one.calls).toEqual(['prepare a2', 'prepare b', 'end', 'end'])
    expect(two.calls).toEqual(['end', 'end'])
  })

  it('tells all stores of commits and flushes, and gathers their writes', () => {
    const transaction = new StoreTransaction()
    const [one, two] = [new NotingStore('one', transaction), new NotingStore('two', transaction)]
    transaction.prepare(ignore)
    transaction.committed()
    one.flushCount = 2
    two.flushCount = 3
    expect(transaction.flushCount).toBe(5)
    expect(transaction.takeFlush().map(({ key }) => key.toString())).toEqual(['one', 'two'])
    transaction.flushed()
    for (const { calls } of [one, two]) expect(calls).toEqual(['end', 'committed', 'flushed'])
  })
})
