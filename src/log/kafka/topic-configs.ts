/** The settings of the port as Kafka's topic configurations. */
import type { TopicLimits, TopicSettings } from '../log.ts'

/** What a topic has where nothing is said. */
const DEFAULTS: Required<TopicSettings> = {
  cleanup: 'delete',
  retentionMs: -1,
  deleteRetentionMs: 86_400_000,
  maxMessageBytes: 1_048_588,
  timestampType: 'create',
}

/** Longest distance that Kafka knows: any timestamp is taken. */
const ANY_DISTANCE = '9223372036854775807'

/** The configurations that `settingsOf` and `limitsOf` read; brokers leave out those that they do not know. */
export const SETTING_NAMES: readonly string[] = [
  'cleanup.policy',
  'retention.ms',
  'delete.retention.ms',
  'max.message.bytes',
  'message.timestamp.type',
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
  'message.timestamp.difference.max.ms',
  'min.insync.replicas',
]

/**
 * What a topic is made with. All that the port promises is set, whatever the broker's defaults are; replication and
 * `min.insync.replicas` are left to the broker. Timestamps may be any: Kafka 4 by default refuses those more than an
 * hour ahead. `timestampBounds`: whether brokers know the two bounds of KIP-937 (Kafka 3.6) instead of one.
 */
export function configsOf(
  settings: TopicSettings,
  timestampBounds: boolean,
): readonly (readonly [name: string, value: string])[] {
  const { cleanup, retentionMs, deleteRetentionMs, maxMessageBytes, timestampType } = {
    ...DEFAULTS,
    ...settings,
  }
  const bounds = timestampBounds
    ? ['message.timestamp.after.max.ms', 'message.timestamp.before.max.ms']
    : ['message.timestamp.difference.max.ms']
  return [
    ['cleanup.policy', cleanup],
    ['retention.ms', String(retentionMs)],
    ['delete.retention.ms', String(deleteRetentionMs)],
    ['max.message.bytes', String(maxMessageBytes)],
    ['message.timestamp.type', timestampType === 'append' ? 'LogAppendTime' : 'CreateTime'],
    ...bounds.map((name) => [name, ANY_DISTANCE] as const),
  ]
}

/** The settings that Kafka tells. A topic that is both compacted and deleted counts as compacted. */
export function settingsOf(configs: ReadonlyMap<string, string>): Required<TopicSettings> {
  const number = (name: string, otherwise: number): number => Number(configs.get(name) ?? otherwise)
  return {
    cleanup: (configs.get('cleanup.policy') ?? '').includes('compact') ? 'compact' : 'delete',
    retentionMs: number('retention.ms', DEFAULTS.retentionMs),
    deleteRetentionMs: number('delete.retention.ms', DEFAULTS.deleteRetentionMs),
    maxMessageBytes: number('max.message.bytes', DEFAULTS.maxMessageBytes),
    timestampType: configs.get('message.timestamp.type') === 'LogAppendTime' ? 'append' : 'create',
  }
}

/** What metadata tells of it. */
export type KnownLimits = Pick<TopicLimits, 'replicas' | 'brokers' | 'mayRead' | 'mayWrite'>

/** The limits that Kafka tells. */
export function limitsOf(configs: ReadonlyMap<string, string>, known: KnownLimits): TopicLimits {
  const policy = configs.get('cleanup.policy') ?? ''
  // Topics whose timestamps are the log's refuse none.
  const bounded = configs.get('message.timestamp.type') !== 'LogAppendTime'
  return {
    timestampBeforeMaxMs: bounded ? boundOf(configs, 'message.timestamp.before.max.ms') : Infinity,
    timestampAfterMaxMs: bounded ? boundOf(configs, 'message.timestamp.after.max.ms') : Infinity,
    compactsAndDeletes: policy.includes('compact') && policy.includes('delete'),
    minInsyncReplicas: Number(configs.get('min.insync.replicas') ?? 1),
    ...known,
  }
}

/** Kafka before 4.0 has one bound for both directions, which counts where the newer one is not set. */
function boundOf(configs: ReadonlyMap<string, string>, name: string): number {
  for (const value of [configs.get(name), configs.get('message.timestamp.difference.max.ms')]) {
    if (value !== undefined && value !== ANY_DISTANCE) return Number(value)
  }
  return Infinity
}
