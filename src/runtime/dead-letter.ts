/** What a dead letter consists of, and how one that no topic would take is cut until it fits. */
import { createHash } from 'node:crypto'
import type { RecordHeader } from '../log/record-batch-builder.ts'
import { DEAD_LETTER } from './header-names.ts'

/** What is written to the dead-letter topic. */
export interface DeadLetter {
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** A value that does not fit as a whole is cut to this many bytes or fewer. */
const CUT_VALUE_BYTES = 64 * 1024
/** What the record format adds to a record and to a header, at most. */
const RECORD_OVERHEAD_BYTES = 64
const HEADER_OVERHEAD_BYTES = 16

/** Read by people only: cut when even without key, value and foreign headers there is no room for them. */
const PROSE: ReadonlySet<string> = new Set([
  DEAD_LETTER.exception,
  DEAD_LETTER.message,
  DEAD_LETTER.stacktrace,
])
/** Found again by these: kept whatever happens. */
const ESSENTIAL: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER).filter((name) => !PROSE.has(name)))

/**
 * The letter as it is where it fits. Otherwise headers with the value's size and SHA-256 are added, and the room goes
 * to the headers that say where the record came from, what went wrong, and then to the record's own headers, key and
 * value, each cut or left out where nothing is left. A null key or value stays null.
 */
export function fitDeadLetter(letter: DeadLetter, maxRecordBytes: number): DeadLetter {
  const { key, value } = letter
  const whole = sizeOf(letter.headers) + RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  if (whole <= maxRecordBytes) return letter
  const described = value === null ? letter.headers : [...letter.headers, ...descriptionOf(value)]
  const headers = fitHeaders(described, Math.floor(((maxRecordBytes - RECORD_OVERHEAD_BYTES) * 3) / 4))
  const room = Math.max(0, maxRecordBytes - RECORD_OVERHEAD_BYTES - sizeOf(headers))
  const keptKey =
    key === null ? null : key.subarray(0, Math.max(Math.floor(room / 2), room - (value?.length ?? 0)))
  const valueRoom = Math.min(CUT_VALUE_BYTES, room - (keptKey?.length ?? 0))
  return { ...letter, key: keptKey, value: value === null ? null : value.subarray(0, valueRoom), headers }
}

/** The headers for which there is room, in their order: essential ones first, then prose, then the record's own. */
function fitHeaders(headers: readonly RecordHeader[], room: number): readonly RecordHeader[] {
  const isOf = (names: ReadonlySet<string>) => (header: RecordHeader) => names.has(header.key)
  const essential = headers.filter(isOf(ESSENTIAL))
  const prose = headers.filter(isOf(PROSE))
  let left = room - sizeOf(essential)
  const kept = new Map<RecordHeader, RecordHeader>(essential.map((header) => [header, header]))
  prose.forEach((header, index) => {
    const share = Math.floor(left / (prose.length - index))
    const cut = cutHeader(header, share)
    if (cut === undefined) return
    kept.set(header, cut)
    left -= sizeOf([cut])
  })
  for (const header of headers) {
    if (kept.has(header) || PROSE.has(header.key) || sizeOf([header]) > left) continue
    kept.set(header, header)
    left -= sizeOf([header])
  }
  return headers.flatMap((header) => kept.get(header) ?? [])
}

function cutHeader(header: RecordHeader, bytes: number): RecordHeader | undefined {
  const room = bytes - sizeOf([{ key: header.key, value: null }])
  if (room < 0) return undefined
  return { key: header.key, value: header.value === null ? null : bytesOf(header.value).subarray(0, room) }
}

function descriptionOf(value: Buffer): readonly RecordHeader[] {
  return [
    { key: DEAD_LETTER.valueBytes, value: Buffer.from(String(value.length)) },
    { key: DEAD_LETTER.valueSha256, value: Buffer.from(createHash('sha256').update(value).digest('hex')) },
  ]
}

function sizeOf(headers: readonly RecordHeader[]): number {
  let bytes = 0
  for (const { key, value } of headers) {
    bytes += Buffer.byteLength(key) + HEADER_OVERHEAD_BYTES + (value === null ? 0 : bytesOf(value).length)
  }
  return bytes
}

function bytesOf(value: Buffer | string): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : value
}
