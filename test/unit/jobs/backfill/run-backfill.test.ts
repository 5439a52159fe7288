/** Random histories of a live application, and backfills of parts of them: what is staged is what was published. */
import { describe, expect, it } from 'vitest'
import { partitionForKey } from '../../../../src/log/partitioner.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import {
  BackfillRig,
  PARTITIONS,
  rigTopology,
  SOURCES,
  type RigRecord,
  type RigWindows,
} from '../../../support/backfill-rig.ts'
import type { BackfillRecord } from '../../../../src/jobs/backfill/backfill-record.ts'
import type { ReadRecord } from '../../../support/read-topic.ts'

const BASE_MS = 1_700_000_000_000
const STEP_MS = 15_000

/** Keys by the partition that they belong to, so that results come into the partition of their task. */
const KEYS = Array.from({ length: PARTITIONS }, (_, partition) =>
  ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'].filter(
    (key) => partitionForKey(Buffer.from(key), PARTITIONS) === partition,
  ),
)

/** What a partition of a topic is written: in order, late, far behind, twice, and what is no record. */
class Feed {
  readonly written: RigRecord[] = []
  private readonly random: SeededRandom
  private number = 0

  constructor(random: SeededRandom) {
    this.random = random
  }

  /** Some records of around this time, for all partitions but those that are silent. */
  around(nowMs: number, silent: ReadonlySet<string>): readonly RigRecord[] {
    const { random } = this
    const records: RigRecord[] = []
    for (const topic of SOURCES) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        if (silent.has(`${topic}/${partition}`)) continue
        for (let count = random.int(4); count > 0; count--) records.push(this.one(topic, partition, nowMs))
      }
    }
    this.written.push(...records)
    return records
  }

  private one(topic: string, partition: number, nowMs: number): RigRecord {
    const { random } = this
    const former = this.written.filter((record) => record.partition === partition)
    if (former.length > 0 && random.chance(0.1))
      return { ...former[former.length - 1 - random.int(Math.min(20, former.length))]!, topic }
    const lateMs = random.chance(0.15) ? random.int(150_000) : random.int(STEP_MS)
    const timeMs = nowMs + STEP_MS - lateMs
    const id = `${topic}${partition}-${this.number++}`
    const value = random.chance(0.03) ? '{' : JSON.stringify({ id, t: timeMs })
    return { topic, partition, key: random.pick(KEYS[partition]!), value, timeMs }
  }
}

interface History {
  readonly rig: BackfillRig
  readonly feed: Feed
  readonly endMs: number
}

const STEPS = 60

/** Lives through a random history: silences, restarts, bounded runs with and without flush. */
async function live(seed: number, windows: RigWindows): Promise<History> {
  const random = new SeededRandom(seed)
  const outOfOrdernessMs = random.pick([0, 7_000])
  const closeAfterSilenceMs = random.pick([null, 20_000])
  const rig = new BackfillRig(windows, { idleTimeoutMs: 25_000, outOfOrdernessMs, closeAfterSilenceMs })
  const feed = new Feed(random.fork())
  await rig.begin()
  await rig.start()
  let silent = new Set<string>()
  for (let step = 0; step < STEPS; step++) {
    if (random.chance(0.2)) {
      const names = SOURCES.flatMap((topic) => [`${topic}/0`, `${topic}/1`])
      silent = new Set(names.filter(() => random.chance(0.35)))
      if (random.chance(0.15)) silent = new Set(names)
    }
    await rig.write(feed.around(BASE_MS + step * STEP_MS, silent))
    await rig.clock.advance(5_000 + random.int(20_000))
    if (random.chance(0.06)) {
      await rig.stop()
      if (random.chance(0.5)) await rig.start({ flush: random.chance(0.6) })
      await rig.start()
    }
  }
  return { rig, feed, endMs: BASE_MS + STEPS * STEP_MS }
}

function inRange(
  records: readonly ReadRecord[],
  { fromMs, toMs }: { fromMs: number; toMs: number },
): unknown[] {
  return records
    .filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs)
    .map(({ timestampMs, key, value, headers }) => [timestampMs, key, value, headers])
}

describe('a backfill as live', () => {
  const windows = { sizeMs: 60_000, graceMs: 20_000 }
  const seeds = Array.from({ length: Number(process.env['BACKFILL_SEEDS'] ?? 6) }, (_, index) => index + 1)
  let begunLater = 0

  it.each(seeds)(
    'stages what was published, byte for byte and in its order: seed %i',
    async (seed) => {
      // Without remembered ids a replay begins just before its range, and what it knows of time there counts.
      const { rig, endMs } = await live(seed, { ...windows, once: seed % 2 === 0 })
      await rig.stop()
      const random = new SeededRandom(seed + 1_000)
      const published = await rig.read('out')
      let results = 0
      for (let number = 0; number < 5; number++) {
        const fromMs = BASE_MS + random.int((endMs - BASE_MS) * 0.8)
        const range = { fromMs, toMs: fromMs + 1 + random.int(endMs - fromMs) }
        const id = `b${number}`
        const { plan } = await rig.plan({ id, range })
        begunLater += plan.sources.some(({ fromOffset }) => fromOffset !== '0') ? 1 : 0
        await runWithStops(rig, id, random)
        const staged = await rig.read(`out.staging.${id}`)
        for (const [partition, records] of staged.entries()) {
          expect(inRange(records, range)).toHaveLength(records.length)
          expect(inRange(records, range)).toEqual(inRange(published[partition]!, range))
          results += records.length
        }
      }
      expect(results).toBeGreaterThan(5)
      expect(await rig.read('out')).toEqual(published)
    },
    120_000,
  )

  it('began at commits in the middle for some of them, not always at the start of the log', () => {
    expect(begunLater).toBeGreaterThan(seeds.length)
  })
})

/** Runs to the end; in the middle it is stopped and taken up again. */
async function runWithStops(rig: BackfillRig, id: string, random: SeededRandom): Promise<BackfillRecord> {
  for (let stops = random.int(3); stops > 0; stops--) {
    const record = await rig.run(id, { ratePerSecond: 20, stopAfterMs: 100 + random.int(4_000) })
    if (record.state === 'ran') return record
    expect(record.state).toBe('running')
  }
  const record = await rig.run(id)
  expect(record.state).toBe('ran')
  return record
}

describe('a backfill as live behind a repartition', () => {
  it.each([1, 2])(
    'stages what was published: seed %i',
    async (seed) => {
      const { rig, endMs } = await live(seed, { sizeMs: 60_000, graceMs: 20_000, outerMs: 240_000 })
      await rig.stop()
      const published = await rig.read('out')
      const range = { fromMs: BASE_MS + 100_000, toMs: endMs - 200_000 }
      const { plan } = await rig.plan({ id: 'b', range })
      expect(plan.sources.every(({ fromOffset }) => fromOffset === '0')).toBe(true)
      await runWithStops(rig, 'b', new SeededRandom(seed))
      const staged = await rig.read('out.staging.b')
      expect(staged.flat().length).toBeGreaterThan(2)
      for (const [partition, records] of staged.entries()) {
        expect(inRange(records, range)).toHaveLength(records.length)
        expect(inRange(records, range).sort()).toEqual(inRange(published[partition]!, range).sort())
      }
    },
    120_000,
  )
})

describe('user code in a backfill', () => {
  it('is told that it is a replay, and side effects are withheld', async () => {
    const { rig, endMs } = await live(2, { sizeMs: 60_000, graceMs: 20_000 })
    await rig.stop()
    const before = [...rig.told]
    expect(before.length).toBeGreaterThan(50)
    expect(before.filter((id) => id.startsWith('replayed'))).toEqual([])
    await rig.plan({ id: 'b', range: { fromMs: BASE_MS, toMs: endMs } })
    await rig.run('b')
    const since = rig.told.slice(before.length)
    expect(since.length).toBeGreaterThan(50)
    expect(since.filter((id) => !id.startsWith('replayed'))).toEqual([])
  })
})

describe('a backfill that includes late records', () => {
  it('counts every record of its range once, however late: as plain loops do', async () => {
    const windows = { sizeMs: 60_000, graceMs: 20_000 }
    const { rig, feed, endMs } = await live(3, windows)
    await rig.stop()
    const range = { fromMs: BASE_MS + 200_000, toMs: endMs - 300_000 }
    await rig.plan({ id: 'all', range, late: 'include' })
    const held = rigTopology({ ...windows, graceMs: 1_000 * 86_400_000 })
    const { run } = await rig.run('all', { worked: held })
    expect(run?.late).toBe(0)
    const staged = await rig.read('out.staging.all')
    const found = new Map(
      staged.flat().map(({ key, value, timestampMs }) => {
        const ids = (JSON.parse(value!) as string).split(': ')[1]!.split(' ')
        return [`${key}@${timestampMs}`, ids.sort().join(' ')]
      }),
    )
    const expected = everyRecordOf(feed.written, range, windows.sizeMs)
    expect(expected.size).toBeGreaterThan(20)
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected))
    // A positive control: live has left some of them out.
    expect((await rig.read('live-late')).flat().length).toBeGreaterThan(0)
  }, 60_000)
})

/** Ids by key and result timestamp. */
function everyRecordOf(
  written: readonly RigRecord[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  sizeMs: number,
): ReadonlyMap<string, string> {
  const windows = new Map<string, Set<string>>()
  for (const { key, value } of written) {
    if (value === '{') continue
    const { id, t } = JSON.parse(value) as { id: string; t: number }
    const lastMs = t - (t % sizeMs) + sizeMs - 1
    if (lastMs < fromMs || lastMs >= toMs) continue
    const name = `${key}@${lastMs}`
    windows.set(name, (windows.get(name) ?? new Set()).add(id))
  }
  return new Map([...windows].map(([name, ids]) => [name, [...ids].sort().join(' ')]))
}
