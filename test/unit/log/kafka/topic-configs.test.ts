import { describe, expect, it } from 'vitest'
import { configsOf, limitsOf, settingsOf } from '../../../../src/log/kafka/topic-configs.ts'

const KNOWN = { replicas: 3, brokers: 5, mayRead: true, mayWrite: false }

describe('the settings of a topic', () => {
  it('are all given, whatever the brokers have as their defaults, and any timestamp is allowed', () => {
    expect(Object.fromEntries(configsOf({}, true))).toEqual({
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      'delete.retention.ms': '86400000',
      'max.message.bytes': '1048588',
      'message.timestamp.type': 'CreateTime',
      'message.timestamp.after.max.ms': '9223372036854775807',
      'message.timestamp.before.max.ms': '9223372036854775807',
    })
    expect(new Map(configsOf({}, false)).get('message.timestamp.difference.max.ms')).toBe(
      '9223372036854775807',
    )
    expect(configsOf({}, false)).toHaveLength(6)
  })

  it('come back as they were given', () => {
    const settings = {
      cleanup: 'compact',
      retentionMs: 5,
      deleteRetentionMs: 6,
      maxMessageBytes: 7,
      timestampType: 'append',
    } as const
    expect(settingsOf(new Map(configsOf(settings, true)))).toEqual(settings)
    expect(settingsOf(new Map([['cleanup.policy', 'compact,delete']])).cleanup).toBe('compact')
  })

  it('has no limits where it was made here', () => {
    const unlimited = {
      timestampBeforeMaxMs: Infinity,
      timestampAfterMaxMs: Infinity,
      compactsAndDeletes: false,
      minInsyncReplicas: 1,
      ...KNOWN,
    }
    expect(limitsOf(new Map(configsOf({}, true)), KNOWN)).toEqual(unlimited)
    expect(limitsOf(new Map(configsOf({}, false)), KNOWN)).toEqual(unlimited)
  })

  it('tells bounds on timestamps by their newer names, or by the one of Kafka 3.5 for both directions', () => {
    const bounds = (configs: Readonly<Record<string, string>>): readonly number[] => {
      const limits = limitsOf(new Map(Object.entries(configs)), KNOWN)
      return [limits.timestampBeforeMaxMs, limits.timestampAfterMaxMs]
    }
    const any = '9223372036854775807'
    const [before, after] = ['message.timestamp.before.max.ms', 'message.timestamp.after.max.ms']
    const older = 'message.timestamp.difference.max.ms'
    expect(bounds({ [before]: any, [after]: '3600000' })).toEqual([Infinity, 3_600_000])
    expect(bounds({ [older]: '5' })).toEqual([5, 5])
    expect(bounds({ [before]: '7', [after]: any, [older]: '5' })).toEqual([7, 5])
    // Where timestamps are the log's, none is refused.
    expect(bounds({ [before]: '7', 'message.timestamp.type': 'LogAppendTime' })).toEqual([Infinity, Infinity])
  })

  it('may delete although it is compacted', () => {
    const deletes = (policy: string): boolean => {
      return limitsOf(new Map([['cleanup.policy', policy]]), KNOWN).compactsAndDeletes
    }
    expect(['compact', 'delete', 'compact,delete'].map(deletes)).toEqual([false, false, true])
  })
})
