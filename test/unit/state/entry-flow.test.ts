import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import type { BackendWrite } from '../../../src/state/backend.ts'
import { EntryFlow, type FlowingStore } from '../../../src/state/entry-flow.ts'
import { unseal } from '../../../src/state/envelope.ts'
import { StoreEntry, type EntryOwner } from '../../../src/state/store-entry.ts'

type Entry = StoreEntry<string, string>

/** A flow over a store that keeps nothing but what was forgotten. */
class Flow implements FlowingStore {
  readonly name = 's'
  readonly flow = new EntryFlow(this)
  readonly changelog: string[] = []
  readonly forgotten: string[] = []

  entry(text: string, known: Partial<Pick<Entry, 'onDisk' | 'inChangelog'>> = {}): Entry {
    return Object.assign(new StoreEntry<string, string>({} as EntryOwner, text, text, 0), known)
  }

  /** A commit of these changes, on its way. */
  prepare(
    ...changes: readonly (readonly [entry: Entry, value: string | undefined, timestampMs: number])[]
  ): void {
    for (const [entry, value, timestampMs] of changes) {
      Object.assign(entry, { value, timestampMs })
      this.flow.prepare(entry as StoreEntry, (store, key, bytes, time) => {
        this.changelog.push(`${store}/${String(key)}@${time}=${bytes === null ? 'none' : String(bytes)}`)
      })
    }
    this.flow.endPrepare()
  }

  /** What a flush writes: `key@time=value`, or `key=none`. */
  takeFlush(): string[] {
    const writes: BackendWrite[] = []
    this.flow.takeFlush(writes)
    return writes.map(({ key, value }) => {
      if (value === null) return `${String(key).replace('\0', '/')}=none`
      const { timestampMs, buffer, start } = unseal(key, value)
      return `${String(key).replace('\0', '/')}@${timestampMs}=${buffer.toString('utf8', start)}`
    })
  }

  keyBytes(entry: StoreEntry): Buffer {
    return Buffer.from(entry.text)
  }
  encode(value: unknown): string {
    return value as string
  }
  resize(entry: StoreEntry, encodedBytes: number): void {
    entry.encodedBytes = encodedBytes
  }
  forget(entry: StoreEntry): void {
    this.forgotten.push(entry.text)
  }
}

describe('EntryFlow', () => {
  it('leads a value into the changelog, and from there, when committed, to the backend', () => {
    const flow = new Flow()
    const entry = flow.entry('a')
    flow.prepare([entry, 'one', 5])
    expect(flow.changelog).toEqual(['s/a@5=one'])
    expect(entry).toMatchObject({ inFlight: 1, inChangelog: true, encodedBytes: 3 })
    expect(flow.takeFlush()).toEqual([])
    flow.flow.flushed()
    flow.flow.committed()
    expect(flow.flow.flushCount).toBe(1)
    expect(flow.takeFlush()).toEqual(['s/a@5=one'])
    expect(entry).toMatchObject({ isClean: false, onDisk: true })
    flow.flow.flushed()
    expect([entry.isClean, flow.flow.flushCount]).toEqual([true, 0])
  })

  it('writes what was committed, not what has been written since', () => {
    const flow = new Flow()
    const entry = flow.entry('a')
    flow.prepare([entry, 'one', 5])
    flow.flow.committed()
    flow.prepare([entry, 'two', 6])
    expect(flow.takeFlush()).toEqual(['s/a@5=one'])
    flow.flow.committed()
    flow.flow.flushed()
    expect(flow.takeFlush()).toEqual(['s/a@6=two'])
  })

  it('writes the newest of several commits once', () => {
    const flow = new Flow()
    const entry = flow.entry('a')
    flow.prepare([entry, 'one', 5])
    flow.prepare([entry, 'two', 6])
    flow.flow.committed()
    flow.flow.committed()
    expect([flow.flow.flushCount, flow.takeFlush()]).toEqual([1, ['s/a@6=two']])
  })

  it('writes a deletion where changelog or backend may know the key, and only there', () => {
    const flow = new Flow()
    flow.prepare(
      [flow.entry('both', { inChangelog: true, onDisk: true }), undefined, 5],
      [flow.entry('log', { inChangelog: true }), undefined, 5],
      [flow.entry('none'), undefined, 5],
    )
    expect(flow.changelog).toEqual(['s/both@5=none', 's/log@5=none'])
    flow.flow.committed()
    expect(flow.forgotten).toEqual(['log', 'none'])
    expect(flow.takeFlush()).toEqual(['s/both=none'])
    flow.flow.flushed()
    expect(flow.forgotten).toEqual(['log', 'none', 'both'])
  })

  it('writes nothing to the backend of what came and went between two flushes', () => {
    const flow = new Flow()
    const entry = flow.entry('a')
    flow.prepare([entry, 'one', 5])
    flow.flow.committed()
    flow.prepare([entry, undefined, 6])
    flow.flow.committed()
    expect(flow.changelog).toEqual(['s/a@5=one', 's/a@6=none'])
    expect([flow.flow.flushCount, flow.forgotten, flow.takeFlush()]).toEqual([0, ['a'], []])
  })

  it('forgets no entry that has been written again, or is on its way', () => {
    const flow = new Flow()
    const entry = flow.entry('a', { inChangelog: true, onDisk: true })
    flow.prepare([entry, undefined, 5])
    flow.flow.committed()
    flow.takeFlush()
    entry.value = 'again'
    entry.dirty = true
    flow.flow.flushed()
    expect(flow.forgotten).toEqual([])
    entry.dirty = false
    flow.prepare([entry, 'again', 6])
    flow.prepare([entry, undefined, 7])
    flow.flow.committed()
    flow.takeFlush()
    flow.flow.flushed()
    expect(flow.forgotten).toEqual([])
    flow.flow.committed()
    expect(flow.takeFlush()).toEqual(['s/a=none'])
    flow.flow.flushed()
    expect(flow.forgotten).toEqual(['a'])
  })

  it('forgets an entry that an undone unit had made, whether the backend knows the key or not', () => {
    const flow = new Flow()
    flow.flow.undone(flow.entry('new') as StoreEntry)
    flow.flow.undone(flow.entry('unknown', { onDisk: true }) as StoreEntry)
    const evicted = flow.entry('evicted', { onDisk: true })
    evicted.loaded = false
    flow.flow.undone(evicted as StoreEntry)
    const live = flow.entry('live')
    live.value = 'v'
    flow.flow.undone(live as StoreEntry)
    expect(flow.forgotten).toEqual(['new', 'unknown'])
  })

  it('has commits and flushes one behind the other', () => {
    const flow = new Flow()
    expect(() => flow.flow.committed()).toThrow(AssertionError)
    flow.prepare([flow.entry('a'), 'one', 5])
    flow.flow.committed()
    flow.takeFlush()
    expect(() => flow.takeFlush()).toThrow(AssertionError)
  })
})
