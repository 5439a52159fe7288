import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, systemRandom } from '../../../../src/clock.ts'
import { ConfigError, FencedError } from '../../../../src/errors.ts'
import { advance, plannedBackfill } from '../../../../src/jobs/backfill/backfill-record.ts'
import {
  createBackfill,
  holdBackfill,
  listBackfills,
  readBackfill,
  refuseExisting,
} from '../../../../src/jobs/backfill/backfill-store.ts'
import { createInMemoryBroker, EmbeddedLog } from '../../../../src/log/embedded/index.ts'
import { examplePlan } from '../../../support/backfill-plan.ts'

let log: EmbeddedLog
const place = (): { log: EmbeddedLog; applicationId: string } => ({ log, applicationId: 'sensors' })
const record = (id: string, atMs = 1_000) => plannedBackfill(id, 'sensors', examplePlan(), atMs)

beforeEach(() => {
  const parts = { clock: systemClock, random: systemRandom }
  log = new EmbeddedLog({ connection: createInMemoryBroker(parts).connect(), ...parts })
})
afterEach(async () => {
  await log.close()
})

describe('the store of backfills', () => {
  it('is empty before the first one, and makes no topic by looking', async () => {
    expect(await listBackfills(place())).toEqual([])
    await expect(readBackfill(place(), 'b1')).rejects.toMatchObject({ code: 'BACKFILL_UNKNOWN' })
    expect(await log.listTopics()).toEqual([])
  })

  it('gives back what was written last, the oldest backfill first', async () => {
    await createBackfill(place(), record('later', 2_000))
    await createBackfill(place(), record('b1'))
    const held = await holdBackfill(place(), 'b1')
    await held.save(advance(held.record, 'running', 3_000))
    expect(held.record.state).toBe('running')
    await held.close()
    expect((await listBackfills(place())).map(({ id, state }) => [id, state])).toEqual([
      ['b1', 'running'],
      ['later', 'planned'],
    ])
    expect(await readBackfill(place(), 'later')).toEqual(record('later', 2_000))
  })

  it('keeps its topic for ever, compacted', async () => {
    await createBackfill(place(), record('b1'))
    const topic = (await log.describeTopics(['sensors.backfills'])).get('sensors.backfills')
    expect(topic?.settings).toMatchObject({ cleanup: 'compact', retentionMs: -1 })
  })

  it('lets only the later of two holders write', async () => {
    await createBackfill(place(), record('b1'))
    const first = await holdBackfill(place(), 'b1')
    const second = await holdBackfill(place(), 'b1')
    await expect(first.save(advance(first.record, 'cancelled', 3_000))).rejects.toThrow(FencedError)
    await second.save(advance(second.record, 'running', 3_000))
    expect((await readBackfill(place(), 'b1')).state).toBe('running')
    await first.close()
    await second.close()
  })

  it('does not let one backfill fence another', async () => {
    await createBackfill(place(), record('b1'))
    await createBackfill(place(), record('b2'))
    const held = await holdBackfill(place(), 'b1')
    await (await holdBackfill(place(), 'b2')).close()
    await held.save(advance(held.record, 'running', 3_000))
    await held.close()
  })

  it('refuses an id that is taken', async () => {
    await createBackfill(place(), record('b1'))
    await expect(createBackfill(place(), record('b1', 9_000))).rejects.toMatchObject({
      code: 'BACKFILL_EXISTS',
    })
    await expect(refuseExisting(place(), 'b1')).rejects.toMatchObject({ code: 'BACKFILL_EXISTS' })
    await refuseExisting(place(), 'b2')
    expect((await readBackfill(place(), 'b1')).createdAtMs).toBe(1_000)
  })

  it.each(['', '../x', 'a/b', 'A', '-a', 'a.b', 'a b', 'x'.repeat(41)])('refuses %j as an id', async (id) => {
    await expect(readBackfill(place(), id)).rejects.toThrow(ConfigError)
    await expect(holdBackfill(place(), id)).rejects.toThrow(ConfigError)
    await expect(createBackfill(place(), record(id))).rejects.toThrow(ConfigError)
    expect(await log.listTopics()).toEqual([])
  })
})
