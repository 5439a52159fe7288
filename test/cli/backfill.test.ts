/** Backfills as a user runs them, on the embedded log, with processes that are killed. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../src/index.ts'
import { linesOf, millrace, startMillrace, type Ended, type RunOptions } from '../support/millrace.ts'
import { readTopic, type ReadRecord } from '../support/read-topic.ts'
import { aggregateRow, oracle } from '../support/sensor-oracle.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RECORDS = 40_000
/** A reading a second and sensor: about the middle half of the records. */
const START_MS = Date.UTC(2024, 0, 1)
const RANGE = { fromMs: START_MS + 600_000, toMs: START_MS + 1_600_000 }
const [FROM, TO] = [new Date(RANGE.fromMs).toISOString(), new Date(RANGE.toMs).toISOString()]
/** Small windows and no grace: of the readings that come a period later, many are late. */
const WINDOWS = ['--window', '5s', '--grace', '0s'] as const
const WINDOW_MS = 5_000

interface Backfill {
  readonly id: string
  readonly state: string
  readonly planHash: string
  readonly plan: { readonly comparable: boolean; readonly notComparable: readonly string[] }
  readonly run: {
    readonly attempts: number
    readonly consumed: number
    readonly position: number
    readonly late: number
    readonly audit: readonly {
      readonly partition: number
      readonly records: number
      readonly sha256: string
    }[]
  } | null
}

function isInRange({ timestampMs }: ReadRecord): boolean {
  return timestampMs >= RANGE.fromMs && timestampMs < RANGE.toMs
}

/** Key, value and time, as they are in the log; not the offset, which is a topic's own. */
function bare({ key, value, timestampMs }: ReadRecord): unknown {
  return [key, value, timestampMs]
}

describe('backfills of an application that was killed on its way', () => {
  const folder = temporaryFolder()
  const here: RunOptions = { cwd: folder.path }

  const read = async (...topics: readonly string[]): Promise<readonly ReadRecord[][][]> => {
    const log = await openEmbeddedLog({ directory: path.join(folder.path, '.millrace/log') })
    try {
      return await Promise.all(topics.map((topic) => readTopic(log, topic)))
    } finally {
      await log.close()
    }
  }
  const backfill = (...args: readonly string[]): Promise<Ended> => millrace(['backfill', ...args], here)
  const plan = async (id: string, ...more: readonly string[]): Promise<Backfill> => {
    const ended = await backfill(
      'plan',
      '--from',
      FROM,
      '--to',
      TO,
      '--id',
      id,
      ...WINDOWS,
      ...more,
      '--json',
    )
    expect([ended.code, ended.stderr]).toEqual([0, expect.not.stringContaining('error')])
    return JSON.parse(ended.stdout) as Backfill
  }
  const run = async (id: string): Promise<Backfill> => {
    const ended = await backfill('run', id, '--json', '--log-level', 'error')
    expect([ended.code, ended.stderr]).toEqual([0, expect.not.stringContaining('error')])
    return JSON.parse(ended.stdout) as Backfill
  }
  /** Everything that is not a backfill's: topics with their ends, and the application's positions. */
  const ofLive = async (): Promise<unknown> => {
    const { stdout } = await millrace(['topics', '--json'], here)
    const topics = (JSON.parse(stdout) as { name: string }[]).filter(
      ({ name }) => !/\.(staging|backfill)\.|\.backfills$/.test(name),
    )
    const status = await millrace(['status', '--json'], here)
    return [topics, JSON.parse(status.stdout)]
  }

  beforeAll(async () => {
    const disorder = ['--late', '0.05', '--corrupt', '0.005', '--duplicate', '0.03', '--seed', '11']
    await millrace(['generate', '--count', String(RECORDS), '--sensors', '20', ...disorder], here)
    const before = logBytes(folder.path)
    const live = startMillrace(['run', '--until-end', ...WINDOWS], here)
    while (logBytes(folder.path) < before + 500_000) await setTimeout(2)
    await live.stop('SIGKILL')
    const ended = await millrace(['run', '--until-end', ...WINDOWS, '--json'], here)
    expect(ended.code).toBe(0)
  }, 120_000)

  it('stage, as live, what was published in the range, byte for byte, and touch nothing else', async () => {
    const before = await ofLive()
    const planned = await plan('mid')
    expect(planned).toMatchObject({ state: 'planned', run: null, plan: { comparable: true } })
    const done = await run('mid')
    expect(done).toMatchObject({ state: 'ran', planHash: planned.planHash, run: { attempts: 1 } })
    const [published, staged] = await read('aggregates', 'aggregates.staging.mid')
    expect(staged).toHaveLength(published!.length)
    for (const [partition, records] of staged!.entries()) {
      expect(records.length).toBeGreaterThan(100)
      expect(records.map(bare)).toEqual(published![partition]!.filter(isInRange).map(bare))
      const audited = done.run!.audit.findLast((note) => note.partition === partition)
      expect(audited?.records).toBe(records.length)
    }
    expect(await ofLive()).toEqual(before)
    expect(linesOf<Backfill>((await backfill('list', '--json')).stdout)).toMatchObject([{ id: 'mid' }])
  }, 120_000)

  it('give the same after kills, each taken up where it was', async () => {
    await plan('killed')
    let kills = 0
    for (const share of [0.08, 0.25]) {
      const started = startMillrace(['backfill', 'run', 'killed', '--rate', '1500/s'], here)
      // What is saved is what is committed: at least so much is behind it when it is killed.
      const passed = async (): Promise<boolean> => {
        const { stdout } = await backfill('status', 'killed', '--json')
        const { state, run: progress } = JSON.parse(stdout) as Backfill
        return state === 'ran' || (progress?.position ?? 0) > share * RECORDS
      }
      while (!(await passed())) await setTimeout(50)
      if ((await started.stop('SIGKILL')).code === null) kills++
    }
    expect(kills).toBe(2)
    const done = await run('killed')
    expect(done.run).toMatchObject({ attempts: 3 })
    const [whole, killed] = await read('aggregates.staging.mid', 'aggregates.staging.killed')
    expect(killed!.map((records) => records.map(bare))).toEqual(whole!.map((records) => records.map(bare)))
    const hashes = ({ run: progress }: Backfill): unknown => progress!.audit
    const mid = JSON.parse((await backfill('status', 'mid', '--json')).stdout) as Backfill
    expect((hashes(done) as { sha256: string }[]).map(({ sha256 }) => sha256)).toEqual(
      (hashes(mid) as { sha256: string }[]).map(({ sha256 }) => sha256),
    )
  }, 120_000)

  it('count every late reading when they are to be included, as plain loops over the topic do', async () => {
    await plan('repair', '--late', 'include')
    const done = await run('repair')
    expect(done.run?.late).toBe(0)
    const [readings, staged, late] = await read('readings', 'aggregates.staging.repair', 'readings.late')
    expect(late!.flat().filter(isInRange).length).toBeGreaterThan(50)
    const input = readings!.map((records) =>
      records.map(({ key, value }) => ({ key: key ?? '', value: value ?? '' })),
    )
    const { aggregates } = oracle(input, { windowMs: WINDOW_MS, graceMs: 1e12, low: 50, high: 55 })
    const isWanted = (row: string): boolean => {
      const [, timestampMs] = JSON.parse(row) as [string, number]
      return timestampMs >= RANGE.fromMs && timestampMs < RANGE.toMs
    }
    const rows = staged!.map((records) =>
      records.map(({ key, value, timestampMs }) =>
        aggregateRow(key!, timestampMs, JSON.parse(value!) as Record<string, unknown>),
      ),
    )
    expect(rows).toEqual(aggregates.map((expected) => expected.filter(isWanted)))
  }, 120_000)

  it('are of some sensors only when they are named, and lateness stays as live judged it', async () => {
    const [published] = await read('aggregates')
    const [sensor = ''] = published![0]![0]!.key!.split('@')
    await plan('one', '--keys', sensor)
    await run('one')
    const [staged] = await read('aggregates.staging.one')
    const own = published!
      .flat()
      .filter((record) => isInRange(record) && record.key!.startsWith(`${sensor}@`))
    expect(own.length).toBeGreaterThan(50)
    expect(staged!.flat().map(bare)).toEqual(own.map(bare))
  }, 120_000)

  it('of other windows are told to be not comparable, and stage their own', async () => {
    const other = await plan('other', '--window', '20s')
    expect(other.plan.comparable).toBe(false)
    expect(other.plan.notComparable.join()).toContain('size (ms): was 5000, is 20000')
    expect(await run('other')).toMatchObject({ state: 'ran' })
    const [staged] = await read('aggregates.staging.other')
    const spans = staged!.flat().map(({ value }) => {
      const { windowStart, windowEnd } = JSON.parse(value!) as { windowStart: number; windowEnd: number }
      return windowEnd - windowStart
    })
    expect(new Set(spans)).toEqual(new Set([20_000]))
  }, 120_000)

  it('leave only their record when they are cancelled, and cannot be run then', async () => {
    const cancelled = await backfill('cancel', 'mid', '--json')
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ id: 'mid', state: 'cancelled' })
    const { stdout } = await millrace(['topics', '--json'], here)
    const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)
    expect(names.filter((name) => /\bmid\b/.test(name))).toEqual([])
    expect(existsSync(path.join(folder.path, '.millrace/state/sensors.backfill.mid'))).toBe(false)
    const again = await backfill('run', 'mid')
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('[BACKFILL_STATE]')])
    expect((await backfill('cancel', 'mid')).code).toBe(0)
  }, 60_000)

  it('refuse a second run of the same id at once, and the first one goes on', async () => {
    await plan('twice')
    const first = startMillrace(['backfill', 'run', 'twice', '--rate', '500/s'], here)
    const now = async (): Promise<Backfill> =>
      JSON.parse((await backfill('status', 'twice', '--json')).stdout) as Backfill
    while ((await now()).state !== 'running') await setTimeout(50)
    const second = await backfill('run', 'twice')
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('[BACKFILL_RUNNING]')])
    const { run: progress } = await now()
    while (((await now()).run?.position ?? 0) <= (progress?.position ?? 0)) await setTimeout(50)
    const stopped = await first.stop('SIGTERM')
    expect([stopped.code, stopped.stderr]).toEqual([1, expect.stringContaining('goes on where it was')])
    expect(await now()).toMatchObject({ state: 'running', run: { attempts: 1 } })
  }, 60_000)

  it('refuse what makes no sense, and write nothing', async () => {
    const range = ['--from', FROM, '--to', TO] as const
    const requests: readonly (readonly [readonly string[], number, string])[] = [
      [['run', '../x'], 2, 'is no id of a backfill'],
      [['plan', '--id', '../x', ...range], 2, 'is no id of a backfill'],
      [['run', 'nothing'], 1, '[BACKFILL_UNKNOWN]'],
      [['cancel', 'nothing'], 1, '[BACKFILL_UNKNOWN]'],
      [['plan', '--id', 'repair', ...range], 1, '[BACKFILL_EXISTS]'],
      [['plan', '--from', TO, '--to', FROM], 2, 'the range is empty'],
      [['plan'], 2, 'needs a range'],
      [['plan', '--application-id', 'x', ...range], 1, 'never worked'],
      [['plan', '--topic', 'x', ...range], 1, 'no topic x'],
    ]
    const topics = async (): Promise<string> => (await millrace(['topics', '--json'], here)).stdout
    const before = [await topics(), readdirSync(path.join(folder.path, '.millrace/state'))]
    for (const [args, code, told] of requests) {
      const ended = await backfill(...args)
      expect([args, ended.code, ended.stderr]).toEqual([args, code, expect.stringContaining(told)])
    }
    expect([await topics(), readdirSync(path.join(folder.path, '.millrace/state'))]).toEqual(before)
  }, 60_000)
})

/** Bytes of the log on disk; 0 where a file goes while it is looked at. */
function logBytes(cwd: string): number {
  const folder = path.join(cwd, '.millrace/log/data')
  try {
    return readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)
  } catch {
    return 0
  }
}
