/**
 * Compares what is published with what a backfill has staged, key by key.
 *
 * What lives in `reconciliation/`: comparing results, what was found, and the topic that keeps the differences. What
 * never does: writing into a published topic (`promotion/`), how a report looks (`cli/`), what a result means (that
 * comes as a `ResultFormat`).
 */
import { FatalError } from '../../errors.ts'
import type { Log, TopicPartition } from '../../log/log.ts'
import type { Tolerances } from './compare-results.ts'
import type { TopicEnd } from '../backfill/backfill-record.ts'
import type { Difference } from './difference-record.ts'
import { FindingsCollector, type Findings } from './findings.ts'
import type { ResultFormat, StagedResult } from './result-format.ts'
import { resultPasses, type ScannedPartition } from './result-passes.ts'
import type { ResultPair } from './result-record.ts'

/** Two topics to be compared, partition by partition. */
export interface ComparedTopics {
  readonly published: string
  readonly staged: string
}

export interface CompareSpec {
  readonly log: Log
  readonly topics: readonly ComparedTopics[]
  /** Results with a timestamp in `[fromMs, toMs)` are compared. */
  readonly fromMs: number
  readonly toMs: number
  /** Only results of input records under these keys; `null`: all. */
  readonly keys: readonly string[] | null
  readonly format: ResultFormat
  readonly tolerances: Tolerances
  /** Bytes of results held at once. Default 128 MiB. */
  readonly budgetBytes?: number
  readonly signal?: AbortSignal | undefined
  /** Called with every pair, match or not, in the order of topics, partitions and keys. */
  onPair?(pair: ResultPair): void
  /** Called with every staged result that can be read. */
  onStaged?(result: StagedResult): void
  /** Awaited after each pass with the differences it found, in order; those within tolerance are not among them. */
  onDifferences?(differences: readonly Difference[]): Promise<void>
  /** Called when a partition is done. */
  onProgress?(partitions: number, ofPartitions: number): void
}

export interface ComparisonOutcome {
  readonly findings: Findings
  /** Where the published topics ended: what was written behind these was not compared. */
  readonly ends: readonly TopicEnd[]
}

const BUDGET_BYTES = 128 * 1024 * 1024

/**
 * Compares up to the ends that the topics have now. `FatalError`: `TOPIC_UNKNOWN`; `PARTITIONS_DIFFER` where two topics
 * do not have the same number of partitions; `INTERRUPTED`.
 */
export async function compareTopics(spec: CompareSpec): Promise<ComparisonOutcome> {
  const { log, format, fromMs, toMs } = spec
  const collector = new FindingsCollector(format, spec.tolerances, fromMs, toMs, (result) =>
    spec.onStaged?.(result),
  )
  const parts = await partitionsOf(spec)
  const ends: TopicEnd[] = []
  for (const [done, { published, staged, topics }] of parts.entries()) {
    ends.push({ ...place(published), offset: String(published.to) })
    const passes = resultPasses({
      log,
      published,
      staged,
      fromMs,
      toMs,
      wanted: wantedKeys(spec),
      budgetBytes: spec.budgetBytes ?? BUDGET_BYTES,
      signal: spec.signal,
      onUnkeyed: (side) => collector.addUnkeyed(side),
    })
    for await (const pairs of passes) {
      await prepare(pairs, format)
      const differences: Difference[] = []
      for (const pair of pairs) {
        spec.onPair?.(pair)
        const { verdict, fields } = collector.add(published.partition, pair)
        if (verdict === 'match' || verdict === 'within') continue
        const names = fields.map(({ name }) => name)
        const { partition } = published
        differences.push({ kind: verdict, topic: topics.published, partition, fields: names, ...pair })
      }
      await spec.onDifferences?.(differences)
    }
    spec.onProgress?.(done + 1, parts.length)
  }
  return { findings: collector.finish(), ends }
}

interface Part {
  readonly topics: ComparedTopics
  readonly published: ScannedPartition
  readonly staged: ScannedPartition
}

async function partitionsOf(spec: CompareSpec): Promise<readonly Part[]> {
  const { log } = spec
  const parts: Part[] = []
  const sorted = [...spec.topics].sort((a, b) => (a.published < b.published ? -1 : 1))
  const described = await log.describeTopics(sorted.flatMap(({ published, staged }) => [published, staged]))
  for (const topics of sorted) {
    const [published, staged] = [topics.published, topics.staged].map((topic) => {
      const partitions = described.get(topic)?.partitions
      if (partitions === undefined) throw new FatalError('TOPIC_UNKNOWN', `There is no topic ${topic}.`)
      return partitions
    }) as [number, number]
    if (published !== staged) {
      throw new FatalError(
        'PARTITIONS_DIFFER',
        `Topic ${topics.published} has ${published} partitions and ${topics.staged} has ${staged}: ` +
          'their results cannot be compared partition by partition.',
      )
    }
    for (let partition = 0; partition < published; partition++) {
      parts.push({
        topics,
        published: await scanned(spec, { topic: topics.published, partition }),
        staged: await scanned(spec, { topic: topics.staged, partition }),
      })
    }
  }
  return parts
}

/** Records before the first one of the range are of no interest: neither results of the range nor their tombstones. */
async function scanned({ log, fromMs }: CompareSpec, partition: TopicPartition): Promise<ScannedPartition> {
  // The high watermark: a transaction that was decided but is not visible yet is waited for.
  const [to] = await log.offsets('end', [partition])
  const from = await log.offsetAtTime(partition, Math.max(0, fromMs))
  return { ...partition, from, to: to! }
}

function wantedKeys({ keys, format }: CompareSpec): ((key: Buffer) => boolean) | undefined {
  if (keys === null) return undefined
  const wanted = new Set(keys)
  return (key) => {
    const source = format.sourceKeyOf(key.toString('utf8'))
    return source !== undefined && wanted.has(source)
  }
}

/** Fetches what values name but do not contain, such as schemas. */
async function prepare(pairs: readonly ResultPair[], { value: { lookup } }: ResultFormat): Promise<void> {
  if (lookup === undefined) return
  let missing = false
  for (const { published, staged } of pairs) {
    for (const { value } of [published, staged].filter((side) => side !== undefined)) {
      if (lookup.missing(value, 0, value.length)) missing = true
    }
  }
  if (missing) await lookup.fetch()
}

function place({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
