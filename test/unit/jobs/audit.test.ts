import { describe, expect, it } from 'vitest'
import { FatalError } from '../../../src/errors.ts'
import {
  audited,
  auditRecord,
  auditTopic,
  auditTopicSpec,
  readAudit,
  writeAudit,
  type AuditTrail,
} from '../../../src/jobs/audit.ts'
import type { Log } from '../../../src/log/log.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'
import { newLogs, writeRecords } from '../../support/letters.ts'

const trailOn = (log: Log): AuditTrail => ({
  log,
  clock: new SimulatedClock(),
  random: new SeededRandom(1),
  applicationId: 'sensors',
  by: 'ann@desk',
})
const operation = { operation: 'op-1', command: 'reset', planHash: 'abc', details: { why: 'because' } }

describe('the audit', () => {
  it('of nothing is empty', async () => {
    expect(await readAudit(newLogs()(), 'sensors')).toEqual([])
  })

  it('tells who did what when, with which counts, and is kept for ever', async () => {
    const log = newLogs()()
    const outcome = await audited(trailOn(log), operation, () =>
      Promise.resolve({ outcome: 7, counts: { topics: 2 } }),
    )
    expect(outcome).toBe(7)
    const all = {
      formatVersion: 1,
      ...operation,
      by: 'ann@desk',
      application: 'sensors',
      time: '2024-01-01T00:00:00.000Z',
    }
    expect(await readAudit(log, 'sensors')).toEqual([
      { ...all, result: 'begun', counts: {} },
      { ...all, result: 'ok', counts: { topics: 2 } },
    ])
    const topic = (await log.describeTopics([auditTopic('sensors')])).get('sensors.audit')
    expect([topic?.partitions, topic?.settings]).toMatchObject([1, { retentionMs: -1, cleanup: 'delete' }])
  })

  it('tells what failed with its code, and the failure goes on to the caller', async () => {
    const log = newLogs()()
    const work = (): Promise<never> => Promise.reject(new FatalError('STATE_IN_USE', 'in use'))
    await expect(audited(trailOn(log), operation, work)).rejects.toMatchObject({ code: 'STATE_IN_USE' })
    expect(await readAudit(log, 'sensors')).toMatchObject([
      { result: 'begun' },
      { result: 'failed', errorCode: 'STATE_IN_USE' },
    ])
  })

  it('shows the newest where only some are wanted', async () => {
    const log = newLogs()()
    const trail = trailOn(log)
    for (let index = 0; index < 5; index++)
      await writeAudit(trail, auditRecord(trail, operation, 'ok', { index }))
    expect((await readAudit(log, 'sensors', 2)).map(({ counts }) => counts['index'])).toEqual([3, 4])
  })

  it.each([['nonsense'], ['null'], ['{"formatVersion":2}']])(
    'says where it cannot be read: %s',
    async (value) => {
      const log = newLogs()()
      await log.createTopics([auditTopicSpec('sensors')])
      await writeRecords(log, 'sensors.audit', [[{ value }]])
      await expect(readAudit(log, 'sensors')).rejects.toMatchObject({
        code: 'AUDIT_UNREADABLE',
        message: expect.stringContaining('sensors.audit@0') as string,
      })
    },
  )
})
