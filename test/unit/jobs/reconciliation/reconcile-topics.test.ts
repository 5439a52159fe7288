import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Difference } from '../../../../src/jobs/reconciliation/difference-record.ts'
import { compareTopics, type CompareSpec } from '../../../../src/jobs/reconciliation/reconcile-topics.ts'
import { createInMemoryLog } from '../../../../src/log/embedded/index.ts'
import type { Log } from '../../../../src/log/log.ts'
import { testFormat, writeResults, type Written } from '../../../support/result-topics.ts'

const FROM_MS = 1_000
const TO_MS = 2_000

async function twoTopics(
  partitions: number,
  published: readonly Written[],
  staged: readonly Written[],
): Promise<Log> {
  const log = createInMemoryLog()
  await log.createTopics([
    { name: 'published', partitions },
    { name: 'staged', partitions },
  ])
  // Small transactions, so that batches and markers lie between the records of a key.
  for (let at = 0; at < published.length; at += 3)
    await writeResults(log, 'published', published.slice(at, at + 3))
  for (let at = 0; at < staged.length; at += 3) await writeResults(log, 'staged', staged.slice(at, at + 3))
  return log
}

async function compare(log: Log, change: Partial<CompareSpec> = {}) {
  const differences: Difference[] = []
  const outcome = await compareTopics({
    log,
    topics: [{ published: 'published', staged: 'staged' }],
    fromMs: FROM_MS,
    toMs: TO_MS,
    keys: null,
    format: testFormat(),
    tolerances: new Map(),
    onDifferences: (found) => {
      differences.push(...found)
      return Promise.resolve()
    },
    ...change,
  })
  return { ...outcome, differences }
}

/** Newest record of each key, by plain loops over all records: nothing of the code under test. */
function oracle(partitions: number, published: readonly Written[], staged: readonly Written[]) {
  const counts = { match: 0, within: 0, changed: 0, missing: 0, extra: 0 }
  const rows: string[] = []
  const hashes = { published: createHash('sha256'), staged: createHash('sha256') }
  const isIn = (record: Written | undefined): boolean =>
    record !== undefined &&
    record.value !== null &&
    record.timestampMs >= FROM_MS &&
    record.timestampMs < TO_MS
  for (let partition = 0; partition < partitions; partition++) {
    const newest = (records: readonly Written[], key: string): Written | undefined =>
      records.filter((record) => (record.partition ?? 0) === partition && record.key === key).at(-1)
    const keys = [...new Set([...published, ...staged].map(({ key }) => key as string))]
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const key of keys) {
      const after = newest(staged, key)
      const before = newest(published, key)
      const [hasBefore, hasAfter] = [isIn(before), isIn(after)]
      if (!hasBefore && !hasAfter) continue
      const framed = (value: unknown): Buffer => {
        const bytes = Buffer.from(JSON.stringify(value))
        const numbers = [partition, Buffer.byteLength(key), bytes.length].map((number) => {
          const encoded = Buffer.alloc(4)
          encoded.writeUInt32BE(number)
          return encoded
        })
        return Buffer.concat([numbers[0]!, numbers[1]!, Buffer.from(key), numbers[2]!, bytes])
      }
      if (hasBefore) hashes.published.update(framed(before!.value))
      if (hasAfter) hashes.staged.update(framed(after!.value))
      const same =
        JSON.stringify(before?.value) === JSON.stringify(after?.value) &&
        before?.timestampMs === after?.timestampMs
      const kind = !hasBefore ? 'missing' : !hasAfter ? 'extra' : same ? 'match' : 'changed'
      counts[kind]++
      if (kind !== 'match') rows.push(`${partition} ${key} ${kind}`)
    }
  }
  return { counts, rows, published: hashes.published.digest('hex'), staged: hashes.staged.digest('hex') }
}

const record = fc.record({
  partition: fc.constantFrom(0, 1),
  key: fc.constantFrom('a@1', 'b@1', 'ä@1', 'b', 'zz', 'a', '\u{1F600}@1', '\uFFFD@1'),
  // The timestamp follows from the key, as that of a window does; tombstones may have any.
  value: fc.oneof(fc.constant(null), fc.record({ mean: fc.integer({ min: 0, max: 2 }) })),
})
const timed = record.map((drawn): Written => ({
  ...drawn,
  timestampMs: drawn.key === 'zz' ? TO_MS : drawn.key === 'a' ? FROM_MS - 1 : FROM_MS + drawn.key.length,
}))

describe('comparing two topics', () => {
  it('agrees with plain loops over all records, whatever the memory', async () => {
    const kinds = new Set<string>()
    let passes = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(timed, { maxLength: 30 }),
        fc.array(timed, { maxLength: 30 }),
        async (published, staged) => {
          const log = await twoTopics(2, published, staged)
          const expected = oracle(2, published, staged)
          for (const budgetBytes of [1, 2_500, 1_000_000]) {
            let calls = 0
            const differences: Difference[] = []
            const { findings } = await compare(log, {
              budgetBytes,
              onDifferences: (found) => {
                calls++
                differences.push(...found)
                return Promise.resolve()
              },
            })
            expect(findings.counts).toEqual(expected.counts)
            expect(
              differences.map(({ partition, key, kind }) => `${partition} ${key.toString()} ${kind}`),
            ).toEqual(expected.rows)
            expect(findings.published.sha256).toBe(expected.published)
            expect(findings.staged.sha256).toBe(expected.staged)
            for (const { kind } of differences) kinds.add(kind)
            passes = Math.max(passes, calls)
          }
          await log.close()
        },
      ),
      { numRuns: 150, seed: 5 },
    )
    // The property was about something.
    expect([...kinds].sort()).toEqual(['changed', 'extra', 'missing'])
    expect(passes).toBeGreaterThan(4)
  })

  it('says which fields differ, and counts those within their tolerance apart', async () => {
    const at = { timestampMs: 1_500 }
    const log = await twoTopics(
      1,
      [
        { key: 'near@1', value: { count: 3, mean: 5 }, ...at },
        { key: 'far@1', value: { count: 3, mean: 5 }, ...at },
        { key: 'other@1', value: { count: 3, mean: 5 }, ...at },
        { key: 'spelled@1', value: Buffer.from('{ "count": 3 }'), ...at },
        { key: 'broken@1', value: Buffer.from('{'), ...at },
        { key: 'moved@1', value: { count: 3 }, timestampMs: 1_499 },
      ],
      [
        { key: 'near@1', value: { count: 3, mean: 5.25 }, ...at },
        { key: 'far@1', value: { count: 3, mean: 5.5 }, ...at },
        { key: 'other@1', value: { count: 4, mean: 5.25, deviated: 1 }, ...at },
        { key: 'spelled@1', value: { count: 3 }, ...at },
        { key: 'broken@1', value: { count: 3 }, ...at },
        { key: 'moved@1', value: { count: 3 }, ...at },
      ],
    )
    const { findings, differences } = await compare(log, { tolerances: new Map([['mean', 0.25]]) })
    expect(findings.counts).toEqual({ match: 0, within: 1, changed: 5, missing: 0, extra: 0 })
    expect(findings.compared).toBe(6)
    expect(differences.map(({ key, fields }) => [key.toString(), fields])).toEqual([
      ['broken@1', ['(unreadable)']],
      ['far@1', ['mean']],
      ['moved@1', ['(timestamp)']],
      ['other@1', ['count', 'mean', 'deviated']],
      ['spelled@1', []],
    ])
    const mean = findings.fields.find(({ name }) => name === 'mean')
    expect(mean?.deltas).toEqual([{ sign: 1, leastSize: 0.1, mostSize: 1, count: 3 }])
    expect(findings.largest[0]).toMatchObject({ key: 'other@1', size: 0.25 })
  })

  it('takes only the results of the given keys', async () => {
    const value = { count: 1 }
    const log = await twoTopics(
      1,
      [{ key: 's2@1', value, timestampMs: 1_500 }],
      [
        { key: 's1@1', value, timestampMs: 1_500 },
        { key: 's10@1', value, timestampMs: 1_500 },
      ],
    )
    const { findings, differences } = await compare(log, { keys: ['s1'] })
    expect(differences.map(({ key }) => key.toString())).toEqual(['s1@1'])
    expect(findings.compared).toBe(1)
  })

  it('counts results that break an invariant, with examples, and records without a key', async () => {
    const log = await twoTopics(
      1,
      [],
      [
        { key: 'good@1', value: { count: 1 }, timestampMs: 1_500 },
        { key: 'bad@1', value: { count: 0 }, timestampMs: 1_500 },
        { key: 'unreadable@1', value: Buffer.from('x'), timestampMs: 1_500 },
        { key: null, value: { count: 1 }, timestampMs: 1_500 },
        { key: null, value: { count: 1 }, timestampMs: 2_500 },
      ],
    )
    const invariant = {
      name: 'count > 0',
      holds: ({ fields }: { fields: Record<string, unknown> }) => (fields['count'] as number) > 0,
    }
    const { findings } = await compare(log, { format: testFormat(invariant), budgetBytes: 1 })
    expect(findings.invariants).toEqual([
      { name: 'every result can be read', violations: 1, examples: ['unreadable@1'] },
      { name: 'count > 0', violations: 1, examples: ['bad@1'] },
    ])
    expect([findings.staged.unkeyed, findings.published.unkeyed]).toEqual([1, 0])
  })

  it('keeps both sides of a difference with every byte', async () => {
    const log = await twoTopics(
      1,
      [
        {
          key: 'a@1',
          value: Buffer.from([0xff, 0]),
          timestampMs: 1_500,
          headers: { 'closed-by': 'silence' },
        },
      ],
      [{ key: 'a@1', value: { mean: 'é' }, timestampMs: 1_501 }],
    )
    const { differences } = await compare(log)
    expect(differences[0]).toMatchObject({
      kind: 'changed',
      topic: 'published',
      published: {
        timestampMs: 1_500,
        value: Buffer.from([0xff, 0]),
        headers: [{ key: 'closed-by', value: Buffer.from('silence') }],
      },
      staged: { timestampMs: 1_501, value: Buffer.from('{"mean":"é"}'), headers: [] },
    })
  })

  it('refuses topics that are not there or are divided otherwise', async () => {
    const log = createInMemoryLog()
    await log.createTopics([{ name: 'published', partitions: 2 }])
    await expect(compare(log)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await log.createTopics([{ name: 'staged', partitions: 3 }])
    await expect(compare(log)).rejects.toMatchObject({ code: 'PARTITIONS_DIFFER' })
  })
})
