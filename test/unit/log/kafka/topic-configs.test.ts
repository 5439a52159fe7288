import { describe, expect, it } from 'vitest'
import { configsOf, settingsOf } from '../../../../src/log/kafka/topic-configs.ts'

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
})
