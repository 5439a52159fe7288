/** `millrace export`: the records of a topic, for people and other programs. */
import { sleep } from '../clock.ts'
import { ConfigError, FatalError } from '../errors.ts'
import type { Log, LogReader, Offset, TopicPartition } from '../log/log.ts'
import { RecordCursor } from '../log/record-cursor.ts'
import type { Command, CommandContext } from './command.ts'
import { hint } from './did-you-mean.ts'
import { EXIT } from './failure.ts'
import { CsvRecords } from './record-csv.ts'
import { recordAsJson } from './record-json.ts'
import { AvroValues } from './value-format.ts'

/** Text written at once. */
const WRITE_CHARACTERS = 65_536
const POLL_MS = 1_000
/** How often is looked for a topic that does not exist yet. */
const LOOK_MS = 250

/** The command. */
export const exportCommand: Command = {
  name: 'export',
  summary: 'the committed records of a topic',
  description:
    'Writes the committed records of a topic to stdout, partition by partition in order; any topic, also ' +
    'the internal ' +
    'ones. As JSONL a line has topic, partition, offset, timestamp (epoch ms), key, value and headers; as CSV each ' +
    'field of the values has a column. With --follow it goes on with what is committed later; with --registry Avro ' +
    'values are shown as JSON.',
  argument: { name: 'topic', help: 'for example aggregates, readings.late, readings.dlq', variadic: false },
  settings: ['exportFormat', 'follow', 'from', 'partition', 'registry'],
  examples: [
    'millrace export aggregates --format csv > aggregates.csv',
    `millrace export aggregates --follow | jq -c 'select(.value.deviated > 0) | .value'`,
  ],
  async run(context) {
    const { settings, args } = context
    const [topic = ''] = args
    const log = await context.openLog(settings.follow ? 'create' : 'existing')
    const partitions = await partitionsOf(context, log, topic)
    if (partitions === undefined) return EXIT.done
    const parts = await rangesOf(context, log, partitions)
    const exporter = new Exporter(context, log)
    if (settings.exportFormat === 'csv') await exporter.learnColumns(parts)
    await exporter.writeRanges(parts)
    if (settings.follow) await exporter.follow(parts)
    await exporter.end()
    return EXIT.done
  },
}

/** A partition, and which of its records are there already. */
interface Range {
  readonly partition: TopicPartition
  readonly from: Offset
  readonly to: Offset
}

/** The partitions to be read; waits for the topic when it is to be followed; `undefined` when stopped meanwhile. */
async function partitionsOf(
  context: CommandContext,
  log: Log,
  topic: string,
): Promise<readonly TopicPartition[] | undefined> {
  const { settings, terminal, clock, signal } = context
  for (let told = false; !signal.aborted; told = true) {
    const count = (await log.describeTopics([topic])).get(topic)?.partitions
    if (count !== undefined) return chosenPartitions(topic, count, settings.partition)
    if (!settings.follow) {
      const topics = await log.listTopics()
      const there = topics.length === 0 ? '' : ` There are: ${topics.join(', ')}.`
      throw new FatalError('TOPIC_UNKNOWN', `There is no topic ${topic}${hint(topic, topics)}.${there}`)
    }
    if (!told) terminal.note(`Waiting for the topic ${topic} …`)
    await sleep(clock, LOOK_MS, signal)
  }
  return undefined
}

function chosenPartitions(
  topic: string,
  count: number,
  chosen: number | undefined,
): readonly TopicPartition[] {
  if (chosen !== undefined && chosen >= count) {
    throw new ConfigError([
      `topic ${topic} has the partitions 0 to ${count - 1}, but --partition asks for ${chosen}`,
    ])
  }
  if (chosen !== undefined) return [{ topic, partition: chosen }]
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
}

async function rangesOf(
  { settings, terminal }: CommandContext,
  log: Log,
  partitions: readonly TopicPartition[],
): Promise<readonly Range[]> {
  const { from } = settings
  if (from.at === 'offset' && partitions.length > 1) {
    throw new ConfigError(['--from with an offset needs --partition: each partition has its own offsets'])
  }
  const starts = await log.offsets('start', partitions)
  const ends = await log.offsets('stable', partitions)
  const ranges: Range[] = []
  for (const [index, partition] of partitions.entries()) {
    const [start, to] = [starts[index] ?? 0n, ends[index] ?? 0n]
    let wanted = start
    if (from.at === 'latest') wanted = to
    if (from.at === 'time') wanted = await log.offsetAtTime(partition, from.timestampMs)
    if (from.at === 'offset') wanted = from.offset
    if (wanted < start) terminal.note(`The records before offset ${start} are gone; beginning there.`)
    ranges.push({ partition, from: wanted > start ? wanted : start, to })
  }
  return ranges
}

/** Reads and writes. */
class Exporter {
  private readonly context: CommandContext
  private readonly log: Log
  private readonly csv: CsvRecords | undefined
  private readonly cursor = new RecordCursor()
  private readonly values: AvroValues
  private headerWritten = false
  private buffered = ''

  constructor(context: CommandContext, log: Log) {
    this.context = context
    this.log = log
    this.values = new AvroValues(context)
    this.csv = context.settings.exportFormat === 'csv' ? new CsvRecords() : undefined
  }

  /** Reads everything once for its columns. */
  async learnColumns(ranges: readonly Range[]): Promise<void> {
    await this.eachRecord(ranges, (_partition, cursor) => {
      this.csv?.learn(this.values.valueOf(cursor))
    })
  }

  /** Writes what is there already, one partition after the other. */
  async writeRanges(ranges: readonly Range[]): Promise<void> {
    await this.eachRecord(ranges, (partition, cursor) => this.add(partition, cursor))
    await this.write()
  }

  /** Writes what comes, as it comes, until it is stopped. */
  async follow(ranges: readonly Range[]): Promise<void> {
    const reader = this.log.reader()
    try {
      for (const { partition, from, to } of ranges) reader.assign(partition, from > to ? from : to)
      while (!this.isOver) {
        const { chunks } = await this.poll(reader)
        for (const { partition, batches } of chunks) {
          await this.values.prepare(batches)
          if (this.csv !== undefined && !this.headerWritten) {
            this.cursor.reset(batches)
            while (this.cursor.next()) this.csv.learn(this.values.valueOf(this.cursor))
          }
          this.cursor.reset(batches)
          while (this.cursor.next()) this.add(partition, this.cursor)
        }
        await this.write()
      }
    } finally {
      await reader.close()
    }
  }

  /** Writes the header of a CSV file without records; tells of fields that found no column. */
  async end(): Promise<void> {
    if (this.csv === undefined) return
    if (!this.headerWritten && !this.isOver) await this.context.terminal.data(this.csv.header())
    if (this.csv.missed.size > 0) {
      const missed = [...this.csv.missed].join(', ')
      this.context.logger.warn(`fields that came up after the header was written are in no column: ${missed}`)
    }
  }

  private get isOver(): boolean {
    return this.context.signal.aborted || this.context.terminal.readerGone.aborted
  }

  private async eachRecord(
    ranges: readonly Range[],
    take: (partition: TopicPartition, cursor: RecordCursor) => void,
  ): Promise<void> {
    for (const range of ranges) {
      if (range.from >= range.to) continue
      const reader = this.log.reader()
      try {
        reader.assign(range.partition, range.from)
        for (let position = range.from; position < range.to && !this.isOver;) {
          const { chunks } = await this.poll(reader)
          for (const { batches, nextOffset } of chunks) {
            await this.values.prepare(batches)
            this.cursor.reset(batches)
            while (this.cursor.next()) if (this.cursor.offset < range.to) take(range.partition, this.cursor)
            position = nextOffset
          }
          if (this.buffered.length > WRITE_CHARACTERS) await this.write()
        }
      } finally {
        await reader.close()
      }
    }
  }

  private async poll(reader: LogReader): Promise<Awaited<ReturnType<LogReader['poll']>>> {
    const result = await reader.poll(POLL_MS)
    const [failure] = result.failures
    if (failure !== undefined) throw failure.error
    return result
  }

  private add({ topic, partition }: TopicPartition, cursor: RecordCursor): void {
    const value = this.values.valueOf(cursor)
    if (this.csv === undefined) {
      this.buffered += `${recordAsJson(topic, partition, cursor, value)}\n`
      return
    }
    if (!this.headerWritten) this.buffered += this.csv.header()
    this.headerWritten = true
    this.buffered += this.csv.line(topic, partition, cursor, value)
  }

  private async write(): Promise<void> {
    if (this.buffered === '') return
    const text = this.buffered
    this.buffered = ''
    await this.context.terminal.data(text)
  }
}
