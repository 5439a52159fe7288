import { describe, expect, it } from 'vitest'
import type { TopicLimits, TopicSettings } from '../../../src/log/log.ts'
import { topicWarnings, type TopicRole } from '../../../src/runtime/topic-warnings.ts'

const DAY_MS = 86_400_000
const OURS = { maxRecordBytes: 1_000_000, maxFutureSkewMs: 3_600_000 }
const ROLES: readonly TopicRole[] = ['input', 'output', 'side-output', 'changelog', 'repartition']

interface Differences {
  readonly settings?: TopicSettings
  readonly limits?: Partial<TopicLimits>
  readonly timestampIsEventTime?: boolean
}

/** What is said of a topic `t` that is as millrace makes it but for the differences. */
function said(role: TopicRole, { settings, limits, timestampIsEventTime = false }: Differences = {}) {
  const description = {
    name: 't',
    topicId: 'id',
    partitions: 1,
    settings: {
      cleanup: role === 'changelog' ? 'compact' : 'delete',
      retentionMs: -1,
      deleteRetentionMs: DAY_MS,
      maxMessageBytes: 1_048_588,
      timestampType: 'create',
      ...settings,
    },
    limits: {
      timestampBeforeMaxMs: Infinity,
      timestampAfterMaxMs: Infinity,
      compactsAndDeletes: false,
      replicas: 1,
      minInsyncReplicas: 1,
      brokers: 1,
      mayRead: true,
      mayWrite: true,
      ...limits,
    },
  } as const
  return topicWarnings([{ role, description, timestampIsEventTime }], OURS)
}

/** Which roles are warned about it at all. */
function warned(differences: Differences): readonly TopicRole[] {
  return ROLES.filter((role) => said(role, differences).length > 0)
}

describe('warnings about topics', () => {
  it('are silent about topics as millrace makes them', () => {
    expect(warned({})).toEqual([])
    expect(topicWarnings([], OURS)).toEqual([])
  })

  it('name the topic, what it is, the setting, what comes of it, and the command that mends it', () => {
    expect(said('input', { settings: { retentionMs: 7 * DAY_MS } })).toEqual([
      'Topic t (input) has retention.ms=604800000 (7 days): the log deletes by the time in the record, whenever that ' +
        'was written, so that readings older than 7 days may be gone before they are read. ' +
        'Mend it: kafka-configs.sh --alter --topic t --add-config retention.ms=-1 --bootstrap-server ...',
    ])
    expect(said('output', { settings: { retentionMs: 36 * 3_600_000 } })[0]).toContain(
      'older than 36 hours is',
    )
    expect(said('output', { settings: { retentionMs: 1 } })[0]).toContain('older than 1 millisecond is')
  })

  it('tell of retention by event time, but for the retention by arrival that somebody has chosen', () => {
    expect(warned({ settings: { cleanup: 'delete', retentionMs: DAY_MS } })).toEqual(ROLES)
    const byArrival = { settings: { retentionMs: DAY_MS, timestampType: 'append' } } as const
    expect(said('input', byArrival)).toEqual([])
    expect(said('repartition', byArrival)[0]).toContain('deleted before they are worked')
  })

  it('tell of state that would be lost with its age, or never be compacted', () => {
    const aged = { settings: { retentionMs: DAY_MS }, limits: { compactsAndDeletes: true } }
    expect(said('changelog', aged)).toEqual([expect.stringContaining('not changed for 1 day is lost')])
    expect(said('changelog', aged)[0]).toContain('cleanup.policy=compact ')
    expect(said('changelog', { settings: { retentionMs: DAY_MS } })).toEqual([])
    expect(said('changelog', { settings: { cleanup: 'delete' } })).toEqual([
      expect.stringContaining('it grows with every change'),
    ])
  })

  it('tell of compaction where every record counts; results may be compacted', () => {
    const compacted = { settings: { cleanup: 'compact' } } as const
    expect(warned(compacted)).toEqual(['input', 'side-output', 'repartition'])
    const both = { ...compacted, limits: { compactsAndDeletes: true } }
    expect(said('input', both)[0]).toContain('cleanup.policy=compact,delete:')
  })

  it('tell of timestamps that the log overwrites, where they are the event time', () => {
    const append = { settings: { timestampType: 'append' } } as const
    expect(warned(append)).toEqual(['output', 'side-output', 'changelog', 'repartition'])
    expect(said('input', { ...append, timestampIsEventTime: true })).toEqual([
      expect.stringContaining('the time of its arrival'),
    ])
  })

  it('tell of bounds on timestamps, but for those of an input that come to a dead letter anyway', () => {
    expect(warned({ limits: { timestampBeforeMaxMs: DAY_MS } })).toEqual(ROLES)
    const hour = { limits: { timestampAfterMaxMs: 3_600_000 } }
    expect(warned(hour)).toEqual(['output', 'side-output', 'changelog', 'repartition'])
    expect(said('output', hour)[0]).toContain('further ahead than 1 hour is refused')
    expect(said('output', hour)[0]).toContain('message.timestamp.after.max.ms=9223372036854775807')
    expect(said('input', { limits: { timestampAfterMaxMs: 3_599_999 } })).toHaveLength(1)
  })

  it('tell of topics that take smaller batches than are sent', () => {
    expect(warned({ settings: { maxMessageBytes: 999_999 } })).toEqual(ROLES.slice(1))
    expect(warned({ settings: { maxMessageBytes: 1_000_000 } })).toEqual([])
  })

  it('tell of single copies only where there could be more', () => {
    expect(warned({ limits: { brokers: 3 } })).toEqual(ROLES.slice(1))
    expect(said('output', { limits: { brokers: 3 } })[0]).toContain('lost with its one broker of 3')
    expect(said('output', { limits: { brokers: 3, replicas: 3 } })).toEqual([
      expect.stringContaining('min.insync.replicas=1'),
    ])
    expect(warned({ limits: { brokers: 3, replicas: 3, minInsyncReplicas: 2 } })).toEqual([])
  })
})
