/** What the settings of its topics would do to an application: told once, at the start, before it happens. */
import type { TopicDescription } from '../log/log.ts'
import type { StreamsConfig } from './config.ts'

/**
 * What a topic is to the application. `side-output`: late records and dead letters. `changelog`: commit logs too.
 */
export type TopicRole = 'input' | 'output' | 'side-output' | 'changelog' | 'repartition'

export interface TopicUse {
  readonly role: TopicRole
  readonly description: TopicDescription
  /** For inputs: whether event time is the record's own timestamp. */
  readonly timestampIsEventTime?: boolean
}

type Limits = Pick<StreamsConfig, 'maxRecordBytes' | 'maxFutureSkewMs'>

/** What a warning says: the setting as it is, what will come of it, and the setting that mends it. */
interface Finding {
  readonly setting: string
  readonly consequence: string
  readonly mend: string
}

const NAMES: Readonly<Record<TopicRole, string>> = {
  input: 'input',
  output: 'output',
  'side-output': 'late records or dead letters',
  changelog: 'changelog',
  repartition: 'repartition topic',
}

/**
 * A text for each setting that loses records, refuses them, or changes what they say; none for topics that millrace
 * has made. Settings are named as Kafka names them.
 */
export function topicWarnings(uses: readonly TopicUse[], limits: Limits): readonly string[] {
  return uses.flatMap((use) => {
    const { name } = use.description
    return [
      ...retention(use),
      ...compaction(use),
      ...timestamps(use),
      ...timestampBounds(use, limits),
      ...sizes(use, limits),
      ...copies(use),
    ].map(({ setting, consequence, mend }) => {
      return `Topic ${name} (${NAMES[use.role]}) has ${setting}: ${consequence}. ${mend}`
    })
  })
}

function retention({ role, description }: TopicUse): Finding[] {
  const { name, settings, limits } = description
  const { retentionMs, cleanup, timestampType } = settings
  if (retentionMs < 0 || (cleanup === 'compact' && !limits.compactsAndDeletes)) return []
  const age = inWords(retentionMs)
  const setting = `retention.ms=${retentionMs} (${age})`
  const mend = alter(name, role === 'changelog' ? 'cleanup.policy=compact' : 'retention.ms=-1')
  if (role === 'changelog') {
    return [{ setting, consequence: `what has not changed for ${age} is lost from the state`, mend }]
  }
  if (role === 'repartition') {
    return [{ setting, consequence: 'records may be deleted before they are worked', mend }]
  }
  // By the time of arrival it is the retention that somebody has chosen.
  if (timestampType === 'append') return []
  const byTime = 'the log deletes by the time in the record, whenever that was written'
  const lost =
    role === 'input'
      ? `readings older than ${age} may be gone before they are read`
      : `what comes of readings older than ${age} is deleted soon after it was written`
  return [{ setting, consequence: `${byTime}, so that ${lost}`, mend }]
}

function compaction({ role, description }: TopicUse): Finding[] {
  const { name, settings, limits } = description
  const compacts = settings.cleanup === 'compact'
  if (role === 'changelog') {
    // With an age limit too, that is the worse of the two, and told.
    if (compacts || settings.retentionMs >= 0) return []
    const consequence = 'it grows with every change, and a restore reads all of them'
    return [{ setting: 'cleanup.policy=delete', consequence, mend: alter(name, 'cleanup.policy=compact') }]
  }
  if (!compacts || role === 'output') return []
  const setting = `cleanup.policy=${limits.compactsAndDeletes ? 'compact,delete' : 'compact'}`
  const lost =
    role === 'side-output'
      ? 'of those with the same key only the newest stays'
      : 'earlier records of a key may be gone before they are read, and reading again gives other results'
  return [{ setting, consequence: lost, mend: alter(name, 'cleanup.policy=delete,retention.ms=-1') }]
}

function timestamps({ role, description, timestampIsEventTime }: TopicUse): Finding[] {
  const { name, settings } = description
  if (settings.timestampType !== 'append') return []
  if (role === 'input' && timestampIsEventTime !== true) return []
  const consequence =
    role === 'input'
      ? 'the event time of a record is the time of its arrival, whatever its writer had said'
      : 'records carry the time of their arrival instead of their event time'
  const mend = alter(name, 'message.timestamp.type=CreateTime')
  return [{ setting: 'message.timestamp.type=LogAppendTime', consequence, mend }]
}

function timestampBounds({ role, description }: TopicUse, { maxFutureSkewMs }: Limits): Finding[] {
  const { name, limits } = description
  const bounds = [
    ['message.timestamp.before.max.ms', limits.timestampBeforeMaxMs, 'older'],
    // A reading further ahead than this would be a dead letter anyway.
    ['message.timestamp.after.max.ms', limits.timestampAfterMaxMs, 'further ahead'],
  ] as const
  return bounds.flatMap(([setting, boundMs, which]) => {
    if (boundMs === Infinity) return []
    if (role === 'input' && which === 'further ahead' && boundMs >= maxFutureSkewMs) return []
    const records = `a record ${which} than ${inWords(boundMs)}`
    const consequence =
      role === 'input'
        ? `${records} is refused when somebody writes it`
        : `${records} is refused, which ends the application (BATCH_INVALID)`
    return [
      { setting: `${setting}=${boundMs}`, consequence, mend: alter(name, `${setting}=${ANY_DISTANCE}`) },
    ]
  })
}

function sizes({ role, description }: TopicUse, { maxRecordBytes }: Limits): Finding[] {
  const { name, settings } = description
  const { maxMessageBytes } = settings
  if (role === 'input' || maxMessageBytes >= maxRecordBytes) return []
  const consequence =
    `batches may have up to ${maxRecordBytes} bytes (maxRecordBytes); ` +
    'one that is too large ends the application (BATCH_TOO_LARGE)'
  const mend = alter(name, `max.message.bytes=${DEFAULT_MESSAGE_BYTES}`)
  return [{ setting: `max.message.bytes=${maxMessageBytes}`, consequence, mend }]
}

function copies({ role, description }: TopicUse): Finding[] {
  const { name, limits } = description
  const { replicas, minInsyncReplicas, brokers } = limits
  if (role === 'input' || brokers < 2) return []
  if (replicas < 2) {
    const consequence = `it is lost with its one broker of ${brokers}`
    const mend =
      'Give it more copies with kafka-reassign-partitions.sh; --replication-factor is for new topics.'
    return [{ setting: 'a replication factor of 1', consequence, mend }]
  }
  if (minInsyncReplicas > 1) return []
  const consequence = 'what only one broker holds counts as committed, and is lost with it'
  return [{ setting: 'min.insync.replicas=1', consequence, mend: alter(name, 'min.insync.replicas=2') }]
}

const ANY_DISTANCE = '9223372036854775807'
const DEFAULT_MESSAGE_BYTES = 1_048_588

function alter(topic: string, config: string): string {
  return `Mend it: kafka-configs.sh --alter --topic ${topic} --add-config ${config} --bootstrap-server ...`
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
  ['millisecond', 1],
] as const

/** In the largest unit that fits without a rest: `7 days`, `36 hours`. */
function inWords(ms: number): string {
  const [unit, unitMs] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? UNITS[UNITS.length - 1]!
  const count = ms / unitMs
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
