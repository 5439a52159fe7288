import { beforeEach, describe, expect, it } from 'vitest'
import { StateMismatchError } from '../../../../src/errors.ts'
import { listBackfills } from '../../../../src/jobs/backfill/backfill-store.ts'
import { BackfillRig, PARTITIONS, PLACE, rigTopology, SOURCES } from '../../../support/backfill-rig.ts'

const BASE_MS = 1_700_000_000_000
const WINDOWS = { sizeMs: 60_000, graceMs: 20_000 }
const COUNT = 200
const RANGE = { fromMs: BASE_MS + 600_000, toMs: BASE_MS + 1_200_000 }

/** A record every ten seconds in every partition, worked by live in eight parts, each of which leaves history. */
async function lived(rig: BackfillRig): Promise<void> {
  await rig.begin()
  await rig.start()
  for (let from = 0; from < COUNT; from += COUNT / 8) {
    const numbers = Array.from({ length: COUNT / 8 }, (_, index) => from + index)
    await rig.write(
      numbers.flatMap((number) =>
        SOURCES.flatMap((topic) =>
          Array.from({ length: PARTITIONS }, (_, partition) => {
            const timeMs = BASE_MS + number * 10_000
            const value = JSON.stringify({ id: `${topic}${partition}-${number}`, t: timeMs })
            return { topic, partition, key: `k${partition}`, value, timeMs }
          }),
        ),
      ),
    )
    await rig.clock.advance(70_000)
  }
  await rig.stop()
}

describe('the plan of a backfill', () => {
  let rig: BackfillRig

  beforeEach(async () => {
    rig = new BackfillRig(WINDOWS, { idleTimeoutMs: null })
    await lived(rig)
  })

  const deleteBelow = (offset: bigint): Promise<void> =>
    rig.drive(
      rig.log.deleteRecords(
        SOURCES.flatMap((topic) =>
          Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset })),
        ),
      ),
    )
  const topicsNow = (): Promise<readonly string[]> => rig.drive(rig.log.listTopics())

  it('reads less than everything, and writes nothing but its record', async () => {
    const before = await topicsNow()
    const { plan } = await rig.plan({ id: 'b', range: RANGE })
    for (const { fromOffset, toOffset } of plan.sources) {
      expect(Number(fromOffset)).toBeGreaterThan(0)
      expect(Number(toOffset)).toBeLessThanOrEqual(COUNT + 4)
    }
    expect(plan).toMatchObject({ trustworthy: [RANGE], comparable: true, warnings: [] })
    expect((await topicsNow()).filter((topic) => !before.includes(topic))).toEqual(['live.backfills'])
  })

  it.each(['as-live', 'include'] as const)(
    'refuses, %s, a range whose records are gone, and writes nothing',
    async (late) => {
      await deleteBelow(190n)
      const before = await topicsNow()
      await expect(rig.plan({ id: 'b', range: RANGE, late })).rejects.toMatchObject({
        code: 'RANGE_UNAVAILABLE',
      })
      expect(await topicsNow()).toEqual(before)
    },
  )

  it('says which part can be trusted where only the beginning is gone, and that part is right', async () => {
    await deleteBelow(30n)
    const { plan } = await rig.plan({ id: 'b', range: { ...RANGE, fromMs: BASE_MS } })
    const [trusted] = plan.trustworthy
    expect(trusted!.fromMs).toBeGreaterThan(BASE_MS + 300_000)
    expect(trusted!.fromMs).toBeLessThan(RANGE.toMs)
    await rig.run('b')
    const bare = (topic: string): Promise<readonly string[]> =>
      rig.read(topic).then((partitions) =>
        partitions
          .flat()
          .filter(({ timestampMs }) => timestampMs >= trusted!.fromMs && timestampMs < trusted!.toMs)
          .map(({ key, value }) => `${key} ${value}`)
          .sort(),
      )
    const staged = await bare('out.staging.b')
    expect(staged.length).toBeGreaterThan(3)
    expect(staged).toEqual(await bare('out'))
  })

  it('refuses a run when records it needs were deleted since, or the topology is another one', async () => {
    await rig.plan({ id: 'b', range: RANGE })
    await expect(rig.run('b', { topology: rigTopology({ ...WINDOWS, graceMs: 1 }) })).rejects.toThrow(
      StateMismatchError,
    )
    await deleteBelow(190n)
    await expect(rig.run('b')).rejects.toMatchObject({ code: 'RANGE_UNAVAILABLE' })
    expect((await topicsNow()).filter((topic) => topic.includes('staging'))).toEqual([])
    expect(await rig.drive(listBackfills({ log: rig.log, ...PLACE }))).toMatchObject([{ state: 'planned' }])
  })

  it('refuses where something is left of another backfill of its id', async () => {
    await rig.drive(rig.log.createTopics([{ name: 'out.staging.b', partitions: 1 }]))
    await expect(rig.plan({ id: 'b', range: RANGE })).rejects.toMatchObject({ code: 'STAGING_EXISTS' })
  })

  it('is limited by its rate, and so is the run', async () => {
    const { plan } = await rig.plan({ id: 'b', range: RANGE, ratePerSecond: 50 })
    const { records, seconds, measured } = plan.estimate
    expect([seconds, measured]).toEqual([records / 50, 'rate-limit'])
    const { run } = await rig.run('b')
    expect(run!.elapsedMs / 1000).toBeGreaterThan(0.9 * seconds)
    expect(run!.elapsedMs / 1000).toBeLessThan(1.1 * seconds + 4)
  })

  it('lets the run rest while live is further behind than it may be', async () => {
    await rig.plan({ id: 'b', range: RANGE })
    // Live has stopped, and more has come than it may lack.
    const timeMs = BASE_MS + COUNT * 10_000
    const late = Array.from({ length: 20 }, (_, number) => JSON.stringify({ id: `x${number}`, t: timeMs }))
    await rig.write(late.map((value) => ({ topic: 'a', partition: 0, key: 'k0', value, timeMs })))
    const resting = await rig.run('b', { maxLiveLag: 10, stopAfterMs: 20_000 })
    expect(resting).toMatchObject({ state: 'running', run: { consumed: 0 } })
    expect(await rig.run('b', { maxLiveLag: 1_000 })).toMatchObject({ state: 'ran' })
  })
})
