/** A published or staged result with everything that a record holds, so that it can be written again as it was. */
import type { RecordHeader } from '../../log/record-batch-builder.ts'
import type { RecordCursor } from '../../log/record-cursor.ts'

export interface ResultRecord {
  readonly timestampMs: number
  readonly value: Buffer
  readonly headers: readonly RecordHeader[]
}

/** What a key held on both sides; at least one of them is there. */
export interface ResultPair {
  readonly key: Buffer
  readonly published: ResultRecord | undefined
  readonly staged: ResultRecord | undefined
}

/** A copy of the record at which `cursor` stands; `undefined` for a tombstone. */
export function copyResult(cursor: RecordCursor): ResultRecord | undefined {
  const value = cursor.value()
  if (value === null) return undefined
  const headers = cursor.headers().map((header) => ({
    key: header.key,
    value: header.value === null ? null : Buffer.from(header.value),
  }))
  return { timestampMs: cursor.timestampMs, value: Buffer.from(value), headers }
}

/** Whether both say the same: value and timestamp. Headers tell how a result came about, not what it is. */
export function sameResult(a: ResultRecord | undefined, b: ResultRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.timestampMs === b.timestampMs && a.value.equals(b.value)
}
