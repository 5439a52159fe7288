/**
 * What a window keeps of its readings. Adding and merging commute: the same readings
 * give the same statistics, and the same bytes, in whatever order and grouping they come.
 */
import { RecordError, type Serde } from '../index.ts'
import { addExact, canonicalPartials, mergeExact, NO_PARTIALS, PARTIALS_MAX } from './exact-sum.ts'

/** Statistics of the readings of one sensor in one window. Never changed: adding makes new ones. */
export interface Statistics {
  /** Readings, synthetic ones included. */
  readonly count: number
  /** The exact sum of the temperatures, as partials (`exact-sum.ts`). */
  readonly sum: readonly number[]
  /** Lowest temperature in °C; Infinity where there is none. Never -0. */
  readonly min: number
  /** Highest temperature in °C; -Infinity where there is none. Never -0. */
  readonly max: number
  /** How many of `count` lie outside the valid range. */
  readonly deviated: number
  /** How many of `count` are synthetic. */
  readonly synthetic: number
}

/** The statistics of no readings. */
export const emptyStatistics: Statistics = {
  count: 0,
  sum: NO_PARTIALS,
  min: Infinity,
  max: -Infinity,
  deviated: 0,
  synthetic: 0,
}

/** The statistics with one more reading. `RangeError` when the temperature is not finite or beyond 2^970. */
export function addReading(
  statistics: Statistics,
  temperature: number,
  deviated: boolean,
  synthetic: boolean,
): Statistics {
  // Of 0 and -0 the smaller would depend on which came first; adding 0 makes both 0.
  const value = temperature + 0
  return {
    count: statistics.count + 1,
    sum: addExact(statistics.sum, value),
    min: value < statistics.min ? value : statistics.min,
    max: value > statistics.max ? value : statistics.max,
    deviated: deviated ? statistics.deviated + 1 : statistics.deviated,
    synthetic: synthetic ? statistics.synthetic + 1 : statistics.synthetic,
  }
}

/** The statistics of the readings of both. */
export function mergeStatistics(a: Statistics, b: Statistics): Statistics {
  return {
    count: a.count + b.count,
    sum: mergeExact(a.sum, b.sum),
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    deviated: a.deviated + b.deviated,
    synthetic: a.synthetic + b.synthetic,
  }
}

const FORMAT_VERSION = 1
const VARINT_SIZE_MAX = 8
const SIZE_MAX = 1 + 3 * VARINT_SIZE_MAX + 2 * 8 + 1 + PARTIALS_MAX * 8

/**
 * Statistics in 21 bytes, a few more for large counts, and 8 for each partial: mostly 29 to 48. Canonical:
 * statistics of the same readings have the same bytes.
 *
 * | bytes | what |
 * | --- | --- |
 * | 1 | format version, 1 |
 * | 1 to 8 each | `count`, `deviated`, `synthetic`: 7 bits a byte, low ones first, the top bit: more |
 * | 8 each | `min`, `max`: doubles, big-endian |
 * | 1 | number of partials |
 * | 8 each | canonical partials of `sum`, smallest first: doubles, big-endian |
 *
 * `RecordError` `RECORD_UNREADABLE` for bytes that are not that.
 */
export const statisticsSerde: Serde<Statistics> = {
  name: 'statistics',
  serialize: writeStatistics,
  deserialize: readStatistics,
  sizeBound: () => SIZE_MAX,
}

function writeStatistics({ count, deviated, synthetic, min, max, sum }: Statistics): Buffer {
  const partials = canonicalPartials(sum)
  const countSizes = varintSize(count) + varintSize(deviated) + varintSize(synthetic)
  const bytes = Buffer.allocUnsafe(18 + countSizes + partials.length * 8)
  let at = bytes.writeUInt8(FORMAT_VERSION, 0)
  at = writeVarint(bytes, at, count)
  at = writeVarint(bytes, at, deviated)
  at = writeVarint(bytes, at, synthetic)
  at = bytes.writeDoubleBE(min, at)
  at = bytes.writeDoubleBE(max, at)
  at = bytes.writeUInt8(partials.length, at)
  for (const partial of partials) at = bytes.writeDoubleBE(partial, at)
  return bytes
}

function readStatistics(buffer: Buffer, start: number, end: number): Statistics {
  const version = start < end ? buffer[start] : undefined
  if (version !== FORMAT_VERSION) throw unreadable(`format version ${version} is not ${FORMAT_VERSION}`)
  const counts: number[] = []
  let at = start + 1
  for (let i = 0; i < 3; i++) {
    const size = varintLength(buffer, at, end)
    counts.push(readVarint(buffer, at, size))
    at += size
  }
  const [count, deviated, synthetic] = counts as [number, number, number]
  if (end - at < 17 || end - at !== 17 + 8 * (buffer[at + 16] as number))
    throw unreadable('the length is wrong')
  const min = buffer.readDoubleBE(at)
  const max = buffer.readDoubleBE(at + 8)
  const sum: number[] = []
  for (at += 17; at < end; at += 8) sum.push(buffer.readDoubleBE(at))
  return { count, sum, min, max, deviated, synthetic }
}

function varintSize(value: number): number {
  let size = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80
  bytes[at++] = rest
  return at
}

function varintLength(buffer: Buffer, start: number, end: number): number {
  for (let size = 1; size <= VARINT_SIZE_MAX && start + size <= end; size++) {
    if ((buffer[start + size - 1] as number) < 0x80) return size
  }
  throw unreadable('a count is cut or too long')
}

function readVarint(buffer: Buffer, start: number, size: number): number {
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 0x80 + ((buffer[start + i] as number) & 0x7f)
  return value
}

function unreadable(reason: string): RecordError {
  return new RecordError('RECORD_UNREADABLE', `statistics: ${reason}`)
}
