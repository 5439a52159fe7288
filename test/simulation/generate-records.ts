/**
 * Draws the records of a source partition: event times with all that happens to them, ids, and what cannot be
 * read.
 */
import { partitionForKey } from '../../src/log/partitioner.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { ScenarioRecord } from './scenario.ts'

/** Keys and groups; the UTF-8 order of the last but three differs from their UTF-16 order. */
const TEXTS = [
  'a',
  'b',
  'c',
  'd',
  'sensor-7',
  'B',
  'ä',
  '\uff5e',
  '\u{1f600}',
  '__proto__',
  'constructor',
  '',
]

/** How often what happens. All of it is per record. */
export interface Troubles {
  readonly disorder: number
  readonly late: number
  readonly stall: number
  readonly jump: number
  readonly duplicate: number
  readonly conflict: number
  readonly corrupt: number
  readonly badTime: number
  readonly nullKey: number
}

/** What the partitions of a scenario have in common. */
export interface RecordPlan {
  readonly eventTime: 'record' | 'value'
  readonly stepMs: number
  readonly startMs: number
  readonly groups: readonly string[]
  readonly troubles: Troubles
}

/** One partition: where it is, how much is in it, and how far its time is behind the others'. */
export interface PartitionPlan {
  /** Begins the ids of its records. */
  readonly label: string
  readonly partition: number
  readonly partitions: number
  readonly records: number
  readonly behindMs: number
}

/** What is drawn once for all partitions. */
export function drawTroubles(random: SeededRandom): Troubles {
  const maybe = (rate: number): number => (random.chance(0.7) ? rate : 0)
  return {
    disorder: maybe(0.3),
    late: maybe(0.03),
    stall: maybe(0.02),
    jump: maybe(0.004),
    duplicate: maybe(0.05),
    conflict: maybe(0.01),
    corrupt: maybe(0.01),
    badTime: maybe(0.01),
    nullKey: maybe(0.03),
  }
}

/** Some of the texts, the plain ones among them. */
export function drawTexts(random: SeededRandom): readonly string[] {
  return random.shuffle(TEXTS).slice(0, 3 + random.int(5))
}

/** An event before it is written. */
interface Event {
  readonly key: string | null
  readonly id: string
  readonly t: number
  readonly n: number
  readonly g: string
}

/** The records of a partition, in the order of their offsets. */
export function drawPartition(
  random: SeededRandom,
  plan: RecordPlan,
  place: PartitionPlan,
): readonly ScenarioRecord[] {
  const keys = keysOf(random, place)
  const clock = new EventClock(random, plan, plan.startMs - place.behindMs)
  const events: Event[] = []
  const records: ScenarioRecord[] = []
  while (records.length < place.records) {
    const event = drawEvent(random, plan, events, () => ({
      key: random.chance(plan.troubles.nullKey) ? null : skewed(random, keys),
      id: `${place.label}.${events.length}`,
      t: clock.next(),
      n: random.int(100),
      g: skewed(random, plan.groups),
    }))
    events.push(event)
    records.push(recordOf(random, plan, event))
  }
  return records
}

/** A new event, or one seen before, maybe with other content. */
function drawEvent(
  random: SeededRandom,
  plan: RecordPlan,
  events: readonly Event[],
  fresh: () => Event,
): Event {
  const { duplicate, conflict } = plan.troubles
  const recent = events.at(-1 - random.int(60))
  if (recent === undefined) return fresh()
  if (random.chance(duplicate)) return recent
  return random.chance(conflict) ? { ...recent, n: recent.n + 1 } : fresh()
}

/** Event time: runs on with stalls and jumps, and every now and then gives a time that is past. */
class EventClock {
  private readonly random: SeededRandom
  private readonly plan: RecordPlan
  private nowMs: number
  private stalled = 0

  constructor(random: SeededRandom, plan: RecordPlan, startMs: number) {
    this.random = random
    this.plan = plan
    this.nowMs = startMs
  }

  next(): number {
    const { random, plan } = this
    const { stepMs, troubles } = plan
    if (this.stalled > 0) this.stalled -= 1
    else if (random.chance(troubles.stall)) this.stalled = 2 + random.int(12)
    else if (random.chance(troubles.jump)) this.nowMs += stepMs * (20 + random.int(80))
    else this.nowMs += random.int(2 * stepMs + 1)
    let timeMs = this.nowMs
    if (random.chance(troubles.disorder)) timeMs -= random.int(5 * stepMs)
    if (random.chance(troubles.late)) timeMs -= random.int(120 * stepMs)
    return Math.max(0, timeMs)
  }
}

function recordOf(random: SeededRandom, plan: RecordPlan, event: Event): ScenarioRecord {
  const { key, id, t, n, g } = event
  const { corrupt, badTime } = plan.troubles
  const inValue = plan.eventTime === 'value'
  // Where the value has the event time, the record's own timestamp is another, to be told apart.
  const timestampMs = inValue ? t + 3 : t
  if (random.chance(corrupt)) return { key, value: corruptValue(random, id, t), timestampMs }
  if (random.chance(badTime)) {
    return inValue
      ? { key, value: JSON.stringify({ id, t: random.pick([-1, 0.5, null, '12', 9e15]), n, g }), timestampMs }
      : { key, value: JSON.stringify({ id, n, g }), timestampMs: random.pick([-1, 8.64e15 + 1]) }
  }
  return { key, value: JSON.stringify(inValue ? { id, t, n, g } : { id, n, g }), timestampMs }
}

/** Unreadable, readable but nothing, or with a field that does not fit. */
function corruptValue(random: SeededRandom, id: string, t: number): string | null {
  return random.pick([
    null,
    '',
    'null',
    '5',
    '"text"',
    `{"id":"${id}"`,
    '\ufeff{}',
    JSON.stringify({ id, t, n: 'x', g: 'a' }),
    JSON.stringify({ id, t, n: 1e300, g: 'a' }),
    JSON.stringify({ id, t, n: 1 }),
  ])
}

/** The first more often than the others. */
function skewed<T>(random: SeededRandom, list: readonly T[]): T {
  return list[Math.floor(list.length * random.fraction() ** 2)]!
}

/** Keys that Java's partitioner puts into the partition. */
function keysOf(random: SeededRandom, { partition, partitions }: PartitionPlan): readonly string[] {
  const candidates = [...TEXTS, ...Array.from({ length: 24 }, (_, at) => `k${at}`)]
  const here = candidates.filter((key) => partitionForKey(key, partitions) === partition)
  return random.shuffle(here).slice(0, 2 + random.int(5))
}
