/** The inputs of a task: what comes next, and what is known of what comes later. */
import type { ScenarioRecord } from '../scenario.ts'
import { eventTimeOf } from '../user-functions.ts'
import { isEventTime } from './arithmetic.ts'
import type { SourceNode } from './graph.ts'
import type { ChannelPlan } from './plan.ts'

/** The next record of a channel. */
export interface Head {
  /** As it came, for a dead letter. */
  readonly record: ScenarioRecord
  /** Event time and value; undefined where they cannot be had, `code` then says why where that is known. */
  readonly decoded: { readonly timestampMs: number; readonly value: unknown } | undefined
  readonly code: string | undefined
  /** The watermark of the record's source partition before it. */
  readonly watermarkMs: number
  /** Its place in the canonical order. */
  readonly mergeMs: number
  /** In the source; of a window's result its number. */
  readonly offset: number
}

/** One input of a task. */
export interface Channel {
  readonly plan: ChannelPlan
  /** Left out by a decision. */
  idle: boolean
  readonly taken: number
  readonly head: Head | undefined
  /** Records there and not taken. */
  readonly held: number
  /** W as far as it is known: that of the next record, where there is one, else the last that was told. */
  readonly watermarkMs: number
  /** The offset of the next record, where there is one, else one that the next record cannot be below. */
  readonly position: number
  /** Takes the head. `counts`: it became neither a dead letter nor was it skipped. */
  take(counts: boolean): void
}

/** A partition of a source topic. */
export class SourceChannel implements Channel {
  readonly plan: ChannelPlan
  idle = false
  taken = 0
  head: Head | undefined
  watermarkMs = -Infinity
  private available = 0
  private readonly records: readonly ScenarioRecord[]
  private readonly outOfOrdernessMs: number

  constructor(plan: ChannelPlan, records: readonly ScenarioRecord[], outOfOrdernessMs: number) {
    this.plan = plan
    this.records = records
    this.outOfOrdernessMs = outOfOrdernessMs
  }

  get position(): number {
    return this.taken
  }

  get held(): number {
    return this.available - this.taken
  }

  /** There are now `end` records. */
  makeAvailable(end: number): void {
    if (end < this.available || end > this.records.length) {
      const { topic, partition } = this.plan.origin
      throw new Error(`${topic}/${partition} cannot end at ${end}`)
    }
    this.available = end
    this.findHead()
  }

  take(counts: boolean): void {
    const { decoded } = this.head!
    if (counts) {
      this.watermarkMs = Math.max(this.watermarkMs, decoded!.timestampMs - this.outOfOrdernessMs)
    }
    this.taken += 1
    this.findHead()
  }

  private findHead(): void {
    if (this.taken >= this.available) {
      this.head = undefined
      return
    }
    const record = this.records[this.taken]!
    const { decoded, code } = decode(record, (this.plan.node as SourceNode).stage.eventTime)
    const before = this.watermarkMs
    const mergeMs =
      decoded === undefined ? before : Math.max(before, decoded.timestampMs - this.outOfOrdernessMs)
    this.head = { record, decoded, code, watermarkMs: before, mergeMs, offset: this.taken }
  }
}

/** Value and event time of a source record. */
function decode(record: ScenarioRecord, eventTime: 'record' | 'value'): Pick<Head, 'decoded' | 'code'> {
  let value: unknown
  try {
    value = parsed(record.value)
  } catch {
    return { decoded: undefined, code: 'RECORD_UNREADABLE' }
  }
  let timestampMs: unknown
  try {
    timestampMs = eventTime === 'record' ? record.timestampMs : eventTimeOf(value)
  } catch {
    timestampMs = undefined
  }
  return isEventTime(timestampMs)
    ? { decoded: { timestampMs, value }, code: undefined }
    : { decoded: undefined, code: undefined }
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text)
}

/** A record on its way through a repartition topic. */
export interface Message {
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
  readonly watermarkMs: number
  readonly mergeMs: number
  readonly offset: number
}

/** What one origin sends to one partition of a repartition topic. */
export class RepartitionChannel implements Channel {
  readonly plan: ChannelPlan
  idle = false
  taken = 0
  head: Head | undefined
  private markedMs = -Infinity
  private markedPosition = 0
  private readonly arrived: Message[] = []

  constructor(plan: ChannelPlan) {
    this.plan = plan
  }

  get watermarkMs(): number {
    return this.head?.watermarkMs ?? this.markedMs
  }

  get position(): number {
    return this.head?.offset ?? this.markedPosition
  }

  get held(): number {
    return this.arrived.length - this.taken
  }

  /** A record arrives. */
  send(message: Message): void {
    this.arrived.push(message)
    this.head ??= headOf(this.arrived[this.taken])
  }

  /** A marker arrives, behind the records: the sender's W, and where it stands in the source. */
  mark(watermarkMs: number, position: number): void {
    this.markedMs = Math.max(this.markedMs, watermarkMs)
    this.markedPosition = position
  }

  take(): void {
    this.taken += 1
    this.head = headOf(this.arrived[this.taken])
  }
}

function headOf(message: Message | undefined): Head | undefined {
  if (message === undefined) return undefined
  const { key, value, timestampMs, watermarkMs, mergeMs, offset } = message
  return {
    record: { key, value, timestampMs },
    decoded: { timestampMs, value: parsed(value) },
    code: undefined,
    watermarkMs,
    mergeMs,
    offset,
  }
}
