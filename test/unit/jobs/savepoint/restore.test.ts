import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { codeOf } from '../../../../src/errors.ts'
import { dropIncarnation } from '../../../../src/jobs/savepoint/drop-incarnation.ts'
import { publishedSince } from '../../../../src/jobs/savepoint/published-since.ts'
import { restoreInto } from '../../../../src/jobs/savepoint/restore.ts'
import type { Savepoint } from '../../../../src/jobs/savepoint/savepoint-folder.ts'
import { currentIncarnation } from '../../../../src/runtime/incarnations.ts'
import { readStatus } from '../../../../src/runtime/status.ts'
import {
  APPLICATION,
  changedLog,
  orderedTopology,
  SavepointRig,
  type RigInstance,
} from '../../../support/savepoint-rig.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const folder = temporaryFolder()
let rigs = 0
const open: SavepointRig[] = []

async function newRig(): Promise<SavepointRig> {
  const rig = new SavepointRig(path.join(folder.path, String(rigs++)))
  open.push(rig)
  await rig.open()
  return rig
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((rig) => rig.close()))
})

/** Results of each partition of `out` at the cut: one task writes there, and writes nothing else. */
function resultsAt({ manifest }: Savepoint): readonly number[] {
  return manifest.tasks
    .filter(({ task }) => task.startsWith('1_'))
    .map(({ entry }) => entry.counts['results'] ?? 0)
}

const heldOf = ({ manifest }: Savepoint): number =>
  manifest.files.filter(({ kind }) => kind === 'held').reduce((sum, { records }) => sum + records, 0)

describe('a restored application', () => {
  it.each([1, 2, 5])(
    'publishes byte for byte what it published without: taken in the middle of three, run by %i',
    async (count) => {
      const rig = await newRig()
      for (let instance = 0; instance < 3; instance++) rig.start()
      await rig.feed(300)
      await rig.settled()
      const feeding = rig.feed(300)
      const savepoint = await rig.create({ name: 'middle' })
      await feeding
      for (let more = 0; more < 3; more++) await rig.feed(200)
      await rig.settled()
      await rig.stopAll()
      const first = await rig.published()
      const cut = resultsAt(savepoint)
      expect(Math.min(...cut)).toBeGreaterThan(0)
      expect(heldOf(savepoint)).toBeGreaterThan(0)

      expect(await rig.restore(savepoint)).toBe(1)
      for (let instance = 0; instance < count; instance++) rig.start()
      await rig.settled()
      await rig.stopAll()
      const both = await rig.published()
      both.forEach((records, partition) => {
        const before = first[partition]!
        expect(records.slice(0, before.length)).toEqual(before)
        expect(before.length).toBeGreaterThan(cut[partition]!)
        expect(records.slice(before.length)).toEqual(before.slice(cut[partition]))
      })
    },
  )

  it('goes on after the savepoint as if nothing had been, and its next savepoint is that of the new life', async () => {
    const rig = await newRig()
    rig.start()
    await rig.feed(200)
    await rig.settled()
    const savepoint = await rig.create({ name: 'one', stop: true })
    await Promise.all(rig.instances.map(({ ended }) => ended))
    rig.instances.splice(0)
    await rig.restore(savepoint)
    const again = await rig.create({ name: 'two' })
    expect(again.manifest.incarnation).toBe(1)
    const counts = ({ manifest }: Savepoint): unknown[] => manifest.tasks.map(({ entry }) => entry.counts)
    expect(counts(again)).toEqual(counts(savepoint))
    const contents = ({ manifest }: Savepoint): unknown[] =>
      manifest.files.filter(({ kind }) => kind === 'store').map(({ file, sha256 }) => [file, sha256])
    expect(contents(again)).toEqual(contents(savepoint))
    expect(heldOf(again)).toBe(heldOf(savepoint))
    expect(await publishedSince(rig.log, APPLICATION, savepoint.manifest)).toEqual([])
  })

  it('shows the positions of the savepoint as those of its group', async () => {
    const rig = await newRig()
    rig.start()
    await rig.feed(150)
    await rig.settled()
    const savepoint = await rig.create({ name: 'one' })
    await rig.feed(150)
    await rig.settled()
    await rig.stopAll()
    await rig.restore(savepoint)
    const partitions = [0, 1, 2].map((partition) => ({ topic: 'in', partition }))
    const { tasks, incarnation } = await readStatus(rig.log, APPLICATION)
    expect(incarnation).toBe(1)
    const positions = tasks.slice(0, 3).map(({ inputs }) => inputs[0]!.position)
    expect(await rig.log.committedOffsets(APPLICATION, partitions)).toEqual(positions)
    expect(positions).toEqual(
      savepoint.manifest.inputs
        .filter(({ isRepartition }) => !isRepartition)
        .map(({ offset }) => BigInt(offset)),
    )
  })

  it('may be another one, with a group and internal topics of its own', async () => {
    const rig = await newRig()
    rig.start()
    await rig.feed(300)
    await rig.settled()
    const savepoint = await rig.create({ name: 'one' })
    const ends = async () => (await rig.published()).map((records) => records.length)
    const before = await ends()
    await rig.feed(300)
    await rig.settled()
    const first = await rig.published()
    expect(await rig.restore(savepoint, 'backfill')).toBe(1)
    const other = new SavepointTwin(rig)
    await other.workAll()
    const both = await rig.published()
    both.forEach((records, partition) => {
      const own = first[partition]!
      expect(records.slice(own.length)).toEqual(own.slice(before[partition]))
    })
    // The first one has not noticed.
    expect(await currentIncarnation(rig.log, APPLICATION)).toBe(0)
    expect(rig.instances[0]!.app.state).toBe('running')
  })
})

/** The application under another id, worked to its end beside the first one. */
class SavepointTwin {
  private readonly rig: SavepointRig

  constructor(rig: SavepointRig) {
    this.rig = rig
  }

  async workAll(): Promise<void> {
    const [first] = this.rig.instances
    const twin: RigInstance = this.rig.start('backfill')
    this.rig.instances.shift()
    await this.rig.settled()
    await twin.app.stop()
    this.rig.instances.splice(0, 1, first!)
  }
}

describe('restoring', () => {
  async function stoppedWithSavepoint(): Promise<{ rig: SavepointRig; savepoint: Savepoint }> {
    const rig = await newRig()
    rig.start()
    await rig.feed(100)
    await rig.settled()
    const savepoint = await rig.create({ name: 'one', stop: true })
    await rig.stopAll()
    return { rig, savepoint }
  }

  const failing = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'nothing failed',
      (error: unknown) => `${codeOf(error, '')}: ${(error as Error).message}`,
    )

  it('is refused while the group has members, and changes nothing', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    rig.start()
    await rig.settled()
    const topics = await rig.log.listTopics()
    expect(await failing(rig.restore(savepoint))).toMatch(/^APPLICATION_RUNNING: .*stop all instances/)
    expect(await rig.log.listTopics()).toEqual(topics)
  })

  it('is refused for another topology, with what is different', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    const refused = await failing(rig.restore(savepoint, APPLICATION, orderedTopology(2_000)))
    expect(refused).toMatch(/^STATE_MISMATCH: [\s\S]*window of joined, size \(ms\): was 1000, is 2000/)
    expect(await currentIncarnation(rig.log, APPLICATION)).toBe(0)
  })

  it('is refused where the source topic is not the one it was', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    await rig.log.deleteRecords([{ topic: 'in', partition: 1, offset: 34n }])
    const again = await rig.create({ name: 'two' })
    await rig.log.deleteTopics(['in'])
    await rig.open()
    expect(await failing(rig.restore(savepoint))).toMatch(/in was deleted and made anew/)
    expect(await failing(rig.restore(again))).toMatch(/in was deleted and made anew/)
  })

  it('is refused where records behind the savepoint were deleted', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    await rig.feed(100)
    const [end] = await rig.log.offsets('end', [{ topic: 'in', partition: 1 }])
    await rig.log.deleteRecords([{ topic: 'in', partition: 1, offset: end! }])
    expect(await failing(rig.restore(savepoint))).toMatch(/in\/1 begins at \d+: what comes behind/)
  })

  it('is refused for a damaged savepoint, and makes no topics', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    const topics = await rig.log.listTopics()
    const [one, two] = savepoint.manifest.files
    writeFileSync(path.join(savepoint.folder, one!.file), 'not what it was')
    rmSync(path.join(savepoint.folder, two!.file))
    expect(await failing(rig.restore(savepoint))).toMatch(
      /^SAVEPOINT_DAMAGED: [\s\S]*it has 15 bytes instead of \d+[\s\S]*it is missing/,
    )
    expect(await rig.log.listTopics()).toEqual(topics)
  })

  it('takes the next number each time, also after one that never ended', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    // What a kill leaves behind.
    await rig.log.createTopics([{ name: 'app.i4-commits-0', partitions: 3 }])
    expect(await rig.restore(savepoint)).toBe(5)
    expect(await rig.restore(savepoint)).toBe(6)
    expect(await currentIncarnation(rig.log, APPLICATION)).toBe(6)
  })

  it('that stands still is overtaken by a later one, and changes nothing when it goes on', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    let goOn = (): void => undefined
    const gate = new Promise<void>((resolve) => (goOn = resolve))
    let stands = false
    const slow = changedLog(rig.log, {
      async producer(options) {
        const producer = await rig.log.producer(options)
        const send = producer.send.bind(producer)
        producer.send = async (batches) => {
          stands = true
          await gate
          return send(batches)
        }
        return producer
      },
    })
    const target = { applicationId: APPLICATION, topology: rig.topology }
    const first = failing(restoreInto({ log: slow, clock: systemClock }, savepoint, target))
    await rig.until(() => stands)
    expect(await rig.restore(savepoint)).toBe(2)
    goOn()
    expect(await first).toMatch(/^RESTORE_OVERTAKEN/)
    expect(await currentIncarnation(rig.log, APPLICATION)).toBe(2)
    // What it left behind.
    expect(await dropIncarnation(rig.log, APPLICATION, 1)).toContain('app.i1-commits-0')
    rig.start()
    await rig.settled()
  })

  it('fails without a trace in what counts when an instance joins before it is done', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    const late = changedLog(rig.log, {
      async createTopics(specs) {
        await rig.log.createTopics(specs)
        rig.start()
        await rig.settled()
      },
    })
    const target = { applicationId: APPLICATION, topology: rig.topology }
    const refused = await failing(restoreInto({ log: late, clock: systemClock }, savepoint, target))
    expect(refused).toMatch(/^APPLICATION_RUNNING/)
    expect(await currentIncarnation(rig.log, APPLICATION)).toBe(0)
    expect(rig.instances[0]!.app.state).toBe('running')
  })

  it('tells what has been published since', async () => {
    const { rig, savepoint } = await stoppedWithSavepoint()
    expect(await publishedSince(rig.log, APPLICATION, savepoint.manifest)).toEqual([])
    rig.start()
    await rig.feed(300)
    await rig.settled()
    await rig.stopAll()
    const done = await publishedSince(rig.log, APPLICATION, savepoint.manifest)
    expect(done.map(({ task }) => task)).toEqual(['0_0', '0_1', '0_2', '1_0', '1_1', '1_2'])
    expect(done.slice(0, 3).map(({ counts }) => counts?.['consumed'])).toEqual([100, 100, 100])
    await rig.restore(savepoint)
    const later = await publishedSince(rig.log, APPLICATION, savepoint.manifest)
    expect(later).toEqual(done)
  })
})
