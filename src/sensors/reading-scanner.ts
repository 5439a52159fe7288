/**
 * Reads a reading straight from its bytes when they are in the usual form: the canonical one, as
 * `readingSerde` writes it, in ASCII, without escapes, exponents and `synthetic`. In one pass over the bytes,
 * without an intermediate object: 0.33 µs, where decoding, `JSON.parse` and checks take 0.75 µs (Node 20).
 * Whatever is not in that form is left to the general way; both ways give the same reading for the same
 * bytes.
 */
import { TEMPERATURE_MAX, TEMPERATURE_MIN, TEXT_LENGTH_MAX } from './reading-limits.ts'
import type { Reading } from './reading.ts'

const EVENT_ID = Buffer.from('{"eventId":"')
const SENSOR_ID = Buffer.from('","sensorId":"')
const TIMESTAMP = Buffer.from('","timestamp":')
const TEMPERATURE = Buffer.from(',"temperature":')
const STATUS = Buffer.from(',"status":"')

const NORMAL = Buffer.from('normal')
const DEVIATED = Buffer.from('deviated')

const QUOTE = 0x22
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const BACKSLASH = 0x5c
const CLOSING_BRACE = 0x7d

/** So many digits make an integer below 2^53, whatever they are. */
const DIGITS_MAX = 15

/** Powers of ten that doubles hold exactly. */
const POWERS_OF_TEN = Array.from({ length: DIGITS_MAX + 1 }, (_, exponent) => Number(`1e${exponent}`))

/**
 * The reading in the bytes `[start, end)`, or `null` when they are not in the usual form, which does not mean
 * that they are wrong. Never throws.
 */
export function scanReading(buffer: Buffer, start: number, end: number): Reading | null {
  if (!isAt(buffer, start, EVENT_ID)) return null
  const eventIdStart = start + EVENT_ID.length
  const eventIdEnd = plainTextEnd(buffer, eventIdStart, end)
  if (!isIdSize(eventIdEnd - eventIdStart) || !isAt(buffer, eventIdEnd, SENSOR_ID)) return null
  const sensorIdStart = eventIdEnd + SENSOR_ID.length
  const sensorIdEnd = plainTextEnd(buffer, sensorIdStart, end)
  if (!isIdSize(sensorIdEnd - sensorIdStart) || !isAt(buffer, sensorIdEnd, TIMESTAMP)) return null

  const timestampStart = sensorIdEnd + TIMESTAMP.length
  const timestampEnd = integerEnd(buffer, timestampStart)
  if (timestampEnd < 0 || !isAt(buffer, timestampEnd, TEMPERATURE)) return null
  const temperatureStart = timestampEnd + TEMPERATURE.length
  const temperatureEnd = decimalEnd(buffer, temperatureStart)
  if (temperatureEnd < 0) return null
  const temperature = decimalIn(buffer, temperatureStart, temperatureEnd)
  if (temperature < TEMPERATURE_MIN || temperature > TEMPERATURE_MAX) return null

  const hasStatus = isAt(buffer, temperatureEnd, STATUS)
  const statusStart = temperatureEnd + STATUS.length
  const statusEnd = hasStatus ? plainTextEnd(buffer, statusStart, end) : 0
  const last = hasStatus ? statusEnd + 1 : temperatureEnd
  if (last !== end - 1 || buffer[last] !== CLOSING_BRACE) return null

  // One call for both ids: making a string from bytes costs more than cutting one.
  const ids = buffer.toString('latin1', eventIdStart, sensorIdEnd)
  const eventId = ids.slice(0, eventIdEnd - eventIdStart)
  const sensorId = ids.slice(sensorIdStart - eventIdStart)
  const timestamp = integerIn(buffer, timestampStart, timestampEnd)
  if (!hasStatus) return { eventId, sensorId, timestamp, temperature }
  if (statusEnd - statusStart > TEXT_LENGTH_MAX) return null
  return { eventId, sensorId, timestamp, temperature, status: statusIn(buffer, statusStart, statusEnd) }
}

/** Most statuses are one of two, whose strings need not be made again. */
function statusIn(buffer: Buffer, start: number, end: number): string {
  if (end - start === NORMAL.length && isAt(buffer, start, NORMAL)) return 'normal'
  if (end - start === DEVIATED.length && isAt(buffer, start, DEVIATED)) return 'deviated'
  return buffer.toString('latin1', start, end)
}

function isAt(buffer: Buffer, start: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) {
    if (buffer[start + i] !== expected[i]) return false
  }
  return true
}

function isIdSize(size: number): boolean {
  return size > 0 && size <= TEXT_LENGTH_MAX
}

/** Where the text that begins at `start` has its closing quote; -1 when it is not plain ASCII up to there. */
function plainTextEnd(buffer: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number
    if (byte === QUOTE) return at
    if (byte === BACKSLASH || byte < 0x20 || byte >= 0x80) return -1
  }
  return -1
}

/** The end of the digits that begin at `start`; -1 for none, too many, or a zero that JSON does not allow. */
function integerEnd(buffer: Buffer, start: number): number {
  let at = start
  while (isDigit(buffer[at])) at++
  const digits = at - start
  if (digits === 0 || digits > DIGITS_MAX || (digits > 1 && buffer[start] === ZERO)) return -1
  return at
}

/** The end of a JSON number without exponent; -1 when there is none, or with more than 15 digits. */
function decimalEnd(buffer: Buffer, start: number): number {
  const integerStart = buffer[start] === MINUS ? start + 1 : start
  const point = integerEnd(buffer, integerStart)
  if (point < 0 || buffer[point] !== POINT) return point
  let at = point + 1
  while (isDigit(buffer[at])) at++
  return at === point + 1 || at - 1 - integerStart > DIGITS_MAX ? -1 : at
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9
}

function integerIn(buffer: Buffer, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + ((buffer[at] as number) - ZERO)
  return value
}

/**
 * All digits as one integer, divided by a power of ten: both are exact, so the one division rounds correctly.
 */
function decimalIn(buffer: Buffer, start: number, end: number): number {
  const negative = buffer[start] === MINUS
  let digits = 0
  let decimals = -1
  for (let at = negative ? start + 1 : start; at < end; at++) {
    const byte = buffer[at] as number
    if (decimals >= 0) decimals++
    if (byte === POINT) decimals = 0
    else digits = digits * 10 + (byte - ZERO)
  }
  const magnitude = decimals > 0 ? digits / (POWERS_OF_TEN[decimals] as number) : digits
  return negative ? -magnitude : magnitude
}
