/**
 * A difference as it is kept: both sides with every byte, so that promotion and rollback need nothing else.
 *
 * The record's key is the result's key, its timestamp the result's, its partition the result's partition. The value is
 * JSON that people can read too: bytes that are UTF-8 stand as text, others as `{"base64":…}`.
 */
import { FatalError, messageOf } from '../../errors.ts'
import type { RecordHeader } from '../../log/record-batch-builder.ts'
import type { DifferenceKind } from './compare-results.ts'
import type { ResultPair, ResultRecord } from './result-record.ts'

/** A key whose sides differ by more than the tolerance. */
export interface Difference extends ResultPair {
  readonly kind: DifferenceKind
  /** The published topic; also where `staged` would go. */
  readonly topic: string
  readonly partition: number
  /** Names of the fields that differ. */
  readonly fields: readonly string[]
}

type BytesJson = string | { readonly base64: string } | null

interface SideJson {
  readonly timestamp: number
  readonly value: BytesJson
  readonly headers: readonly (readonly [string, BytesJson])[]
}

interface DifferenceJson {
  readonly kind: DifferenceKind
  readonly topic: string
  readonly fields: readonly string[]
  readonly published: SideJson | null
  readonly staged: SideJson | null
}

/** Longer texts are kept as base64: its size is known, that of escaped text is not. */
const TEXT_BYTES_MAX = 64 * 1024
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The timestamp that the difference's record gets. */
export function timestampOf({ staged, published }: ResultPair): number {
  return (staged ?? published)?.timestampMs ?? 0
}

/** The value of the difference's record. */
export function encodeDifference({ kind, topic, fields, published, staged }: Difference): string {
  const json: DifferenceJson = {
    kind,
    topic,
    fields,
    published: published === undefined ? null : sideAsJson(published),
    staged: staged === undefined ? null : sideAsJson(staged),
  }
  return JSON.stringify(json)
}

/** Reads what `encodeDifference` wrote. `FatalError` `DIFFERENCE_UNREADABLE` for anything else. */
export function decodeDifference(partition: number, key: Buffer | null, value: Buffer | null): Difference {
  try {
    if (key === null || value === null) throw new Error('it has no key or no value')
    const { kind, topic, fields, published, staged } = JSON.parse(value.toString('utf8')) as DifferenceJson
    return {
      kind,
      topic,
      partition,
      fields,
      key: Buffer.from(key),
      published: published === null ? undefined : sideOf(published),
      staged: staged === null ? undefined : sideOf(staged),
    }
  } catch (error) {
    throw new FatalError('DIFFERENCE_UNREADABLE', `A kept difference cannot be read: ${messageOf(error)}.`, {
      cause: error,
    })
  }
}

function sideAsJson({ timestampMs, value, headers }: ResultRecord): SideJson {
  const pairs = headers.map(({ key, value: bytes }) => [key, bytesAsJson(bytes)] as const)
  return { timestamp: timestampMs, value: bytesAsJson(value), headers: pairs }
}

function sideOf({ timestamp, value, headers }: SideJson): ResultRecord {
  const bytes = bytesOf(value)
  if (bytes === null || !Number.isSafeInteger(timestamp)) throw new Error('a side has no value or no time')
  const pairs = headers.map(([key, text]): RecordHeader => ({ key, value: bytesOf(text) }))
  return { timestampMs: timestamp, value: bytes, headers: pairs }
}

function bytesAsJson(bytes: Buffer | null): BytesJson {
  if (bytes === null) return null
  if (bytes.length > TEXT_BYTES_MAX) return { base64: bytes.toString('base64') }
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return { base64: bytes.toString('base64') }
  }
}

function bytesOf(json: BytesJson): Buffer | null {
  if (json === null) return null
  return typeof json === 'string' ? Buffer.from(json, 'utf8') : Buffer.from(json.base64, 'base64')
}
