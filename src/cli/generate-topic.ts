/** Generated readings as records of a topic; what is noted with them tells where the next call goes on. */
import { createHash } from 'node:crypto'
import { sleep } from '../clock.ts'
import type { Log, TopicDescription } from '../log/log.ts'
import { partitionForKey } from '../log/partitioner.ts'
import { INGESTED_AT } from '../runtime/header-names.ts'
import type { Serde } from '../serde/serde.ts'
import { ReadingGenerator, type GeneratedRecord, type GeneratorSummary } from '../sensors/generator.ts'
import { readingSerde, type Reading } from '../sensors/reading.ts'
import type { CommandContext } from './command.ts'
import type { Generated } from './generate.ts'
import { boundedOptions, contentOptions, GeneratorWatch } from './generator-settings.ts'
import { ensureTopic } from './import-records.ts'
import { OutgoingRecords } from './outgoing-records.ts'
import { Pace } from './pace.ts'
import { mayPass, RecordedWriter } from './recorded-writer.ts'
import { openReadingSerde } from './value-format.ts'

/** What is noted with every transaction. */
interface GeneratorProgress {
  readonly topicId: string
  /** Names the calls that belong together; `--again` begins another series. */
  readonly series: string
  /** Slot to go on with, and how many records of it are out. */
  readonly slot: number
  readonly ofSlot: number
  /** Of the whole series. */
  readonly summary: GeneratorSummary
}

const TRANSACTION_RECORDS = 10_000
const TRANSACTION_BYTES = 4 * 1_048_576
/** Where a rate is kept, transactions are at least this far apart. */
const TICK_MS = 100
const BACKOFF_MS = 250
const ATTEMPTS_MAX = 20

/** Writes into a topic, made where it is missing, behind what an earlier call with the same settings wrote. */
export async function generateToTopic(context: CommandContext, topic: string): Promise<Generated> {
  // Settings that make no sense are told before anything is touched.
  const { summary: nothing } = new ReadingGenerator(boundedOptions(context.settings))
  const log = await context.openLog('create')
  const description = await ensureTopic(log, topic, context.settings.partitions)
  const { topicId } = description
  const beginning = { topicId, series: context.random.uuid(), slot: 0, ofSlot: 0, summary: nothing }
  const reading = await openReadingSerde(context, topic)
  return new TopicGeneration(context, log, { ...description, reading }, beginning).run()
}

/** The topic and how its readings are written. */
interface GeneratedTopic extends TopicDescription {
  readonly reading: Serde<Reading>
}

class TopicGeneration {
  private readonly context: CommandContext
  private readonly log: Log
  private readonly topic: GeneratedTopic
  private readonly key: string
  private readonly outgoing: OutgoingRecords
  private readonly watch: GeneratorWatch
  private readonly pace: Pace | undefined
  private readonly beginning: GeneratorProgress
  /** Where this call began; `undefined` until it is known. */
  private start: GeneratorProgress | undefined
  private now: GeneratorProgress
  /** Records that the rate allows and that are not out yet. */
  private owed = 0

  constructor(context: CommandContext, log: Log, topic: GeneratedTopic, beginning: GeneratorProgress) {
    const { settings, clock } = context
    this.context = context
    this.log = log
    this.topic = topic
    this.beginning = beginning
    this.now = beginning
    const content = JSON.stringify(contentOptions(settings))
    this.key = `generate/${topic.name}/${createHash('sha256').update(content).digest('hex')}`
    this.outgoing = new OutgoingRecords(topic.settings.maxMessageBytes)
    this.watch = new GeneratorWatch(context)
    this.pace = settings.rate === undefined ? undefined : new Pace(clock, settings.rate)
  }

  async run(): Promise<Generated> {
    const { clock, signal, logger } = this.context
    const startedMs = clock.monotonic()
    let complete = false
    for (let attempt = 1; !complete && !signal.aborted; attempt++) {
      try {
        complete = await this.attempt()
      } catch (error) {
        if (!mayPass(error) || attempt >= ATTEMPTS_MAX) throw error
        logger.warn({ reason: error.message }, 'generating was interrupted and goes on')
        await sleep(clock, BACKOFF_MS, signal)
      } finally {
        if (complete || signal.aborted) this.watch.end()
      }
    }
    return {
      summary: difference(this.now.summary, this.start?.summary),
      elapsedMs: clock.monotonic() - startedMs,
      complete,
    }
  }

  /** Takes the series over and goes on; true at the end, false when it was stopped. */
  private async attempt(): Promise<boolean> {
    const { log, key } = this
    const work = `generating of these readings into ${this.topic.name}`
    const { random } = this.context
    const writer = await RecordedWriter.open<GeneratorProgress>({ log, random, work, keys: [key] })
    try {
      this.takeUp(writer.progress.get(key))
      return await this.work(writer)
    } finally {
      await writer.close()
    }
  }

  private takeUp(noted: GeneratorProgress | undefined): void {
    const { beginning } = this
    const anew = this.context.settings.again && noted?.series !== beginning.series
    this.now = noted === undefined || anew || noted.topicId !== beginning.topicId ? beginning : noted
    if (this.start !== undefined) return
    this.start = this.now
    if (this.now.slot === 0) return
    this.context.logger.info(
      { slot: this.now.slot },
      'goes on behind the last call with the same settings; --again begins from the start',
    )
  }

  private async work(writer: RecordedWriter<GeneratorProgress>): Promise<boolean> {
    const { signal, clock } = this.context
    const source = new PositionedGenerator(this.context, this.now, this.endSlot())
    this.outgoing.take()
    for (;;) {
      this.owed = this.pace === undefined ? TRANSACTION_RECORDS : this.owed + this.pace.due()
      const gathered = this.gather(source, Math.min(this.owed, TRANSACTION_RECORDS, this.recordsLeft()))
      if (gathered > 0) {
        const next = { ...this.beginning, series: this.now.series, ...source.position }
        await writer.write(this.outgoing.take(), new Map([[this.key, next]]))
        this.now = next
        this.owed -= gathered
      }
      this.watch.update(this.written())
      if (source.ended || this.recordsLeft() === 0) return true
      if (signal.aborted) return false
      if (this.pace !== undefined) await sleep(clock, Math.max(TICK_MS, this.pace.waitMs()), signal)
      else await clock.yieldNow()
    }
  }

  /** Gathers up to `budget` records for a transaction. */
  private gather(source: PositionedGenerator, budget: number): number {
    const { topic, outgoing } = this
    const headers = [{ key: INGESTED_AT, value: Buffer.from(String(this.context.clock.now())) }]
    while (outgoing.count < budget && outgoing.bytes < TRANSACTION_BYTES) {
      const record = source.next()
      if (record === undefined) break
      const { key, timestampMs } = record
      const value = valueOf(record, topic.reading)
      const partition = partitionForKey(key, topic.partitions)
      outgoing.append({ topic: topic.name, partition, timestampMs, key, value, headers })
    }
    return outgoing.count
  }

  private endSlot(): number {
    const { slots } = this.context.settings
    return slots === undefined ? Infinity : (this.start ?? this.beginning).slot + slots
  }

  private written(): number {
    return this.now.summary.records - (this.start ?? this.now).summary.records
  }

  private recordsLeft(): number {
    return (this.context.settings.count ?? Infinity) - this.written()
  }
}

/** A generator that begins where a series stands and knows where it is. */
class PositionedGenerator {
  /** Whether there are no more records. */
  ended = false
  private readonly generator: ReadingGenerator
  private readonly records: Iterator<GeneratedRecord>
  private readonly before: GeneratorSummary
  private readonly atStart: GeneratorSummary
  private slot: number
  private ofSlot: number

  constructor(context: CommandContext, { slot, ofSlot, summary }: GeneratorProgress, endSlot: number) {
    this.generator = new ReadingGenerator({
      ...contentOptions(context.settings),
      fromSlot: slot,
      ...(endSlot !== Infinity && { slots: Math.max(0, endSlot - slot) }),
    })
    this.records = this.generator[Symbol.iterator]()
    for (let skipped = 0; skipped < ofSlot; skipped++) this.records.next()
    this.before = summary
    this.atStart = this.generator.summary
    this.slot = slot
    this.ofSlot = ofSlot
  }

  next(): GeneratedRecord | undefined {
    const next = this.records.next()
    const { slot } = this.generator
    if (slot !== this.slot) {
      this.slot = slot
      this.ofSlot = 0
    }
    if (next.done === true) {
      this.ended = true
      return undefined
    }
    this.ofSlot++
    return next.value
  }

  /** Behind the last record that was handed out. */
  get position(): Pick<GeneratorProgress, 'slot' | 'ofSlot' | 'summary'> {
    const since = difference(this.generator.summary, this.atStart)
    return { slot: this.slot, ofSlot: this.ofSlot, summary: sum(this.before, since) }
  }
}

/** The generator writes JSON; corrupt records are the same bytes in every format. */
function valueOf({ value, kind }: GeneratedRecord, serde: Serde<Reading>): Buffer | string {
  if (serde === readingSerde || kind === 'corrupt') return value
  const bytes = Buffer.from(value)
  return serde.serialize(readingSerde.deserialize(bytes, 0, bytes.length))
}

function sum(a: GeneratorSummary, b: GeneratorSummary): GeneratorSummary {
  return combined(a, (name) => a[name] + b[name])
}

/** Without a `b`: `a`. */
function difference(a: GeneratorSummary, b: GeneratorSummary | undefined): GeneratorSummary {
  return b === undefined ? a : combined(a, (name) => a[name] - b[name])
}

function combined(
  names: GeneratorSummary,
  count: (name: keyof GeneratorSummary) => number,
): GeneratorSummary {
  const entries = Object.keys(names).map((name) => [name, count(name as keyof GeneratorSummary)])
  return Object.fromEntries(entries) as GeneratorSummary
}
