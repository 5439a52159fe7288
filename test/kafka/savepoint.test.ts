/** A savepoint on a real broker: taken while the application runs, gone back to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openKafkaLog } from '../../src/log/kafka/index.ts'
import type { Log } from '../../src/log/log.ts'
import { currentIncarnation } from '../../src/runtime/incarnations.ts'
import { kafkaForTests } from '../support/kafka/kafka-for-tests.ts'
import { APPLICATION, SavepointRig } from '../support/savepoint-rig.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const kafka = await kafkaForTests()
const folder = temporaryFolder()

describe.skipIf(kafka === null)('a savepoint on Kafka', () => {
  let log: Log
  let rig: SavepointRig

  beforeAll(async () => {
    log = await openKafkaLog({ brokers: kafka!.brokers.split(',') })
    rig = new SavepointRig(folder.path, log)
    await rig.open()
  }, 120_000)
  afterAll(() => rig.close())

  it('is gone back to by two instances, which publish byte for byte what was published after it', async () => {
    rig.start()
    rig.start()
    await rig.feed(600)
    await rig.settled()
    const feeding = rig.feed(300)
    const savepoint = await rig.create({ name: 'live' })
    await feeding
    await rig.feed(600)
    await rig.settled()
    await rig.stopAll()
    const first = await rig.published()
    expect(await rig.restore(savepoint)).toBe(1)
    rig.start()
    rig.start()
    await rig.settled()
    await rig.stopAll()
    const both = await rig.published()
    const cut = savepoint.manifest.tasks.slice(3).map(({ entry }) => entry.counts['results'] ?? 0)
    both.forEach((records, partition) => {
      const before = first[partition]!
      expect(before.length).toBeGreaterThan(cut[partition]!)
      expect(records.slice(before.length)).toEqual(before.slice(cut[partition]))
    })
    expect(await currentIncarnation(log, APPLICATION)).toBe(1)
  }, 180_000)
})
