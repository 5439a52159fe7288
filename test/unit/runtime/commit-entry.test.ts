import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FatalError } from '../../../src/errors.ts'
import {
  COMMIT_KEYS,
  decodeEntry,
  encodeEntry,
  type CommitEntry,
  type OwnerEntry,
} from '../../../src/runtime/commit-entry.ts'
import type { Decision } from '../../../src/time/decisions.ts'

const time = fc.oneof(fc.constantFrom(-Infinity, Infinity), fc.integer({ min: -1_000, max: 8.64e15 }))
const offset = fc.bigInt({ min: 0n, max: 2n ** 62n })
/** Names of topics, stores, stages and counters. */
const name = fc.oneof(
  fc.constantFrom('constructor', '__proto__', 'Infinity', '-Infinity', 'readings'),
  fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/),
)
const byName = <T>(value: fc.Arbitrary<T>) =>
  fc.dictionary(name, value, { maxKeys: 3, noNullPrototype: true })

const positions = fc.array(offset, { maxLength: 3 })
const channel = fc.nat(9)
const decision: fc.Arbitrary<Decision> = fc.oneof(
  fc.record({ kind: fc.constant('idle' as const), channel, positions }),
  fc.record({ kind: fc.constant('resumed' as const), channel, positions, closedThroughMs: time }),
  fc.record({ kind: fc.constant('silence' as const), positions, closedThroughMs: time }),
  fc.record({ kind: fc.constant('flush' as const), run: fc.nat(9), positions, closedThroughMs: time }),
)

const entries: fc.Arbitrary<CommitEntry> = fc.record({
  formatVersion: fc.constant(1 as const),
  commitId: fc.maxSafeNat(),
  offsets: byName(offset.map(String)),
  channels: fc.array(
    fc.record({
      channel: name.map((topic) => `${topic}/0`),
      watermarkMs: time,
      position: fc.maxSafeNat(),
      takenThrough: fc.maxSafeNat(),
      withinSource: fc.boolean(),
      endedRun: fc.nat(9),
      endedWithFlush: fc.boolean(),
      idle: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  closedThroughMs: time,
  operators: byName(
    fc.record({ closedThroughMs: time, flushedThroughMs: time, results: fc.nat(), openWindows: fc.nat() }),
  ),
  changelogs: byName(fc.record({ topicId: fc.uuid(), offset: offset.map(String) })),
  counts: byName(fc.nat()),
  finishedRun: fc.nat(9),
  replayedDecisions: fc.nat(9),
  decisions: fc.array(decision, { maxLength: 3 }),
})

const decoded = <T extends { readonly formatVersion: 1 }>(entry: T): T =>
  decodeEntry<T>(Buffer.from(encodeEntry(entry)), 'app-commits-0/0')

describe('a commit entry', () => {
  it('gives back everything that was put into it, infinities and bigints too', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(decoded(entry)).toEqual(entry)
      }),
      { seed: 431, numRuns: 500 },
    )
  })

  it('gives back the owner of a task, whatever the instance is called', () => {
    for (const instance of ['host-1', 'Infinity', '-Infinity', '', '$', '$Infinity', '$$-Infinity', '$5n']) {
      const owner: OwnerEntry = {
        formatVersion: 1,
        transactionalId: 'app-7',
        instance,
        fingerprint: { bigint: '5', 'window of w, size (ms)': '10' },
      }
      expect(decoded(owner)).toEqual(owner)
    }
  })

  it('gives back names that its encoding uses itself: a topic called bigint', () => {
    const offsets = { formatVersion: 1, offsets: { bigint: '12' }, counts: { bigint: 5 } } as const
    expect(decoded(offsets)).toEqual(offsets)
  })

  it('is the same text for the same entry', () => {
    const entry = { formatVersion: 1, a: -Infinity, b: [5n], c: 'text' } as const
    expect(encodeEntry(entry)).toBe(encodeEntry({ ...entry }))
  })

  it.each(['', '{', 'null', '[]', '7', '{"formatVersion":2}', '{"formatVersion":"1"}'])(
    'is refused where it is %j',
    (text) => {
      const read = () => decodeEntry(Buffer.from(text), 'app-commits-0/3')
      expect(read).toThrow(FatalError)
      expect(read).toThrow(
        expect.objectContaining({
          code: 'COMMIT_LOG_UNREADABLE',
          message: expect.stringContaining('app-commits-0/3'),
        }),
      )
    },
  )

  it('is kept in the history under keys that sort as the commits do', () => {
    const ids = [1, 2, 10, 999, 1_000_000, Number.MAX_SAFE_INTEGER / 16]
    const keys = ids.map((id) => COMMIT_KEYS.history(Math.floor(id)))
    expect([...keys].sort()).toEqual(keys)
    expect(keys[0]).toBe('history/000000000000001')
  })
})
