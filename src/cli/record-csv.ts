/** Records as lines of CSV (RFC 4180): one column for each field of their values. */
import type { RecordCursor } from '../log/record-cursor.ts'
import { headersAsJson, textOf } from './record-json.ts'

/** Columns that every line begins with, and the one that it ends with. */
const FIRST = ['topic', 'partition', 'offset', 'timestamp', 'key'] as const
const LAST = 'headers'
/** The column of values that are no JSON objects. */
const PLAIN = 'value'

/** Collects columns, then writes lines with these columns. */
export class CsvRecords {
  /** Fields that were met after the header was written, and so are in no line. */
  readonly missed = new Set<string>()
  private readonly columns = new Set<string>()
  private headerWritten = false

  /** Notes the fields of a value that is to be written later. */
  learn(value: Buffer | null): void {
    for (const column of fieldsOf(value).keys()) this.columns.add(column)
  }

  /** The header line; its columns stay as they are from then on. */
  header(): string {
    this.headerWritten = true
    return `${[...FIRST, ...this.columns, LAST].map(quoted).join(',')}\r\n`
  }

  /** The line of a record, with `value` in the place of its own. */
  line(topic: string, partition: number, cursor: RecordCursor, value: Buffer | null): string {
    const fields = fieldsOf(value)
    for (const column of fields.keys()) {
      if (this.headerWritten && !this.columns.has(column)) this.missed.add(column)
    }
    const key = cursor.key()
    const headers = cursor.headers()
    const cells = [
      topic,
      String(partition),
      String(cursor.offset),
      String(cursor.timestampMs),
      key === null ? '' : (textOf(key) ?? key.toString('base64')),
      ...[...this.columns].map((column) => fields.get(column) ?? ''),
      headers.length === 0 ? '' : headersAsJson(headers),
    ]
    return `${cells.map(quoted).join(',')}\r\n`
  }
}

/** The fields of a JSON object, those of objects within it as `outer.inner`; anything else as one field. */
function fieldsOf(value: Buffer | null): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  if (value === null) return fields
  const text = textOf(value)
  if (text === undefined) return fields.set(PLAIN, value.toString('base64'))
  const json = parseObject(text)
  if (json === undefined) return fields.set(PLAIN, text)
  flatten(json, '', fields)
  return fields
}

function parseObject(text: string): object | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

function isObject(json: unknown): json is object {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function flatten(json: object, prefix: string, fields: Map<string, string>): void {
  for (const [name, value] of Object.entries(json) as [string, unknown][]) {
    if (isObject(value)) flatten(value, `${prefix}${name}.`, fields)
    else if (value === null) fields.set(`${prefix}${name}`, '')
    else fields.set(`${prefix}${name}`, typeof value === 'string' ? value : JSON.stringify(value))
  }
}

function quoted(cell: string): string {
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}
