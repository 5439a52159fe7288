/**
 * The configuration of an application: one table gives type, default, unit, bounds and documentation. Everything is
 * checked at once, all problems are told in one message, and the result is frozen.
 */
import { z } from 'zod'
import { ConfigError } from '../errors.ts'
import { isLegalName } from '../topology/validation.ts'
import { looksLikeIncarnation } from './internal-topics.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const MIB = 1024 * 1024

const milliseconds = (least: number) =>
  z
    .number()
    .int()
    .min(least)
    .max(1_000 * 365 * 24 * HOUR_MS)
const bytes = (least: number) => z.number().int().min(least)
const reserved = 'names that end in ".i" and a number are kept for incarnations'
const name = z.string().refine(isLegalName, 'use 1 to 200 letters, digits, ".", "_" or "-"')

const schema = z.strictObject({
  applicationId: name
    .refine((id) => !looksLikeIncarnation(id), reserved)
    .describe('Names the consumer group, the state folder and all internal topics.'),
  commitIntervalMs: milliseconds(1)
    .default(100)
    .describe('Longest time between the work of a record and its commit.'),
  commitRecords: z
    .number()
    .int()
    .min(1)
    .default(200_000)
    .describe('Records after which a commit comes earlier.'),
  commitBytes: bytes(1024)
    .default(16 * MIB)
    .describe('Bytes to be sent after which a commit comes earlier.'),
  outOfOrdernessMs: milliseconds(0)
    .default(0)
    .describe('How far a watermark stays behind the highest event time of its partition.'),
  idleTimeoutMs: milliseconds(1)
    .nullable()
    .default(30_000)
    .describe('Silence after which a fully read partition no longer holds time back; null: never.'),
  closeAfterSilenceMs: milliseconds(1)
    .nullable()
    .default(null)
    .describe('Further silence of all partitions after which open windows close; null: never.'),
  maxFutureSkewMs: milliseconds(0)
    .nullable()
    .default(HOUR_MS)
    .describe('How far an event time may lie after the ingestion of its record; null: not checked.'),
  startFrom: z
    .enum(['earliest', 'latest'])
    .default('earliest')
    .describe('Where to begin in a topic never read.'),
  lateTopic: name.optional().describe('Late records. Default <applicationId>-late.'),
  deadLetterTopic: name.optional().describe('Dead letters. Default <applicationId>-dlq.'),
  onError: z
    .enum(['dead-letter', 'skip', 'fail'])
    .default('dead-letter')
    .describe('What a stage that says nothing itself does with a record it cannot work.'),
  maxRecordBytes: bytes(1024)
    .default(1_000_000)
    .describe('Largest record written; keep it below max.message.bytes of the topics.'),
  inputBufferBytes: bytes(1024)
    .default(MIB)
    .describe('Records of one input held in memory until their turn comes.'),
  stateMemoryBytes: bytes(16 * 1024)
    .default(128 * MIB)
    .describe('State held in memory, over all tasks of an instance.'),
  stateFlushIntervalMs: milliseconds(0)
    .default(1_000)
    .describe('Longest time committed state waits in memory before it is written to disk.'),
  standbys: z
    .number()
    .int()
    .min(0)
    .max(10)
    .default(0)
    .describe('Copies of the state of each task that other instances keep; an instance with 0 keeps none.'),
  sessionTimeoutMs: milliseconds(100)
    .default(10_000)
    .describe('Silence after which an instance loses its tasks.'),
  rebalanceTimeoutMs: milliseconds(100)
    .default(60_000)
    .describe('How long a rebalance waits for an instance.'),
  transactionTimeoutMs: milliseconds(100)
    .default(10_000)
    .describe('After which the log aborts the transaction of a silent instance.'),
})

type Checked = z.output<typeof schema>

/** What an application is configured with; everything but `applicationId` has a default. */
export type StreamsConfigInput = z.input<typeof schema>

/** A checked configuration, complete and frozen. */
export interface StreamsConfig extends Readonly<
  Omit<Checked, 'lateTopic' | 'deadLetterTopic' | 'maxFutureSkewMs'>
> {
  readonly lateTopic: string
  readonly deadLetterTopic: string
  /** `Infinity` when it is not checked. */
  readonly maxFutureSkewMs: number
}

/** Checks everything and fills in defaults. Throws one `ConfigError` that names every problem. */
export function parseConfig(input: StreamsConfigInput): StreamsConfig {
  const result = schema.safeParse(input)
  const problems = (result.error?.issues ?? []).map(
    (issue) => `${issue.path.join('.') || 'configuration'}: ${issue.message}`,
  )
  problems.push(...contradictions(result.data ?? validPart(input)))
  if (!result.success || problems.length > 0) throw new ConfigError(problems)
  const { data } = result
  return Object.freeze({
    ...data,
    lateTopic: data.lateTopic ?? `${data.applicationId}-late`,
    deadLetterTopic: data.deadLetterTopic ?? `${data.applicationId}-dlq`,
    maxFutureSkewMs: data.maxFutureSkewMs ?? Infinity,
  })
}

/** A row of the configuration table in the README. */
export interface ConfigRow {
  readonly name: string
  readonly defaultValue: string
  readonly meaning: string
}

/** The table of all options, in their order. */
export function configTable(): readonly ConfigRow[] {
  const defaults = schema.parse({ applicationId: 'x' }) as Record<string, unknown>
  return Object.entries(schema.shape).map(([option, field]) => ({
    name: option,
    defaultValue: option === 'applicationId' ? 'required' : String(defaults[option] ?? 'none'),
    meaning: (field as z.ZodType).description ?? '',
  }))
}

/** The options that are right by themselves. */
function validPart(input: StreamsConfigInput): Partial<Checked> {
  const given = new Map<string, unknown>(
    Object.entries((input as StreamsConfigInput | null | undefined) ?? {}),
  )
  const valid = Object.entries(schema.shape).flatMap(([option, field]) => {
    const parsed = (field as z.ZodType).safeParse(given.get(option))
    return parsed.success ? [[option, parsed.data]] : []
  })
  return Object.fromEntries(valid) as Partial<Checked>
}

/** What does not go together, among the options that are there. */
function contradictions(config: Partial<Checked>): string[] {
  const { commitIntervalMs = 0, transactionTimeoutMs = Infinity } = config
  const problems: string[] = []
  if (commitIntervalMs >= transactionTimeoutMs) {
    problems.push(
      `commitIntervalMs (${commitIntervalMs}) must be less than transactionTimeoutMs (${transactionTimeoutMs})`,
    )
  }
  if (typeof config.closeAfterSilenceMs === 'number' && config.idleTimeoutMs === null) {
    problems.push('closeAfterSilenceMs needs idleTimeoutMs: silence is counted from there')
  }
  return problems
}
