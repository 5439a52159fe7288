/** Files of results that are known to be right, to compare others with. */
import { ConfigError, messageOf } from '../index.ts'
import { aggregateKey } from './aggregate.ts'
import { CsvRecords, parseCsvHeader } from './csv-records.ts'
import { isBadLine, readLines, type BadLine, type TextLine } from './line-reader.ts'

/** By key: the fields that the file tells of a result. */
export type ExpectedAggregates = ReadonlyMap<string, Readonly<Record<string, unknown>>>

/** All are held in memory. */
export const EXPECTED_MAX = 2_000_000

const TEXT_FIELDS = new Set(['sensorId'])
/** Columns that `export` writes beside the fields. */
const EXPORT_COLUMNS = new Set(['topic', 'partition', 'offset', 'timestamp', 'key', 'headers'])

/**
 * Reads JSONL (names ending in `.jsonl`, `.ndjson` or `.json`), else CSV with a header. A line is a result, or a line
 * that `export` wrote. It needs `sensorId` and `windowStart`, or the `key`; every other field it has is compared, what
 * it does not have is not.
 *
 * `ConfigError` where the file cannot be read, a line is no result, two lines are of the same window, or there are more
 * than `EXPECTED_MAX`.
 */
export async function readExpectedAggregates(path: string): Promise<ExpectedAggregates> {
  const isJson = /\.(jsonl|ndjson|json)$/i.test(path)
  const expected = new Map<string, Readonly<Record<string, unknown>>>()
  const parser = isJson ? new JsonLines() : new CsvLines()
  const take = (results: readonly ExpectedLine[]): void => {
    for (const result of results) {
      if ('problem' in result) throw unusable(path, result.line, result.problem)
      const { line, key, fields } = keyed(path, result)
      if (expected.has(key)) throw unusable(path, line, `there is another line of ${key} before it`)
      if (expected.size >= EXPECTED_MAX) throw unusable(path, line, `more than ${EXPECTED_MAX} results`)
      expected.set(key, fields)
    }
  }
  for await (const lines of readLines(path)) take(parser.push(lines, false))
  take(parser.push([], true))
  return expected
}

type ExpectedLine =
  | { readonly line: number; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly line: number; readonly problem: string }

interface LineParser {
  push(lines: readonly (TextLine | BadLine)[], atEnd: boolean): readonly ExpectedLine[]
}

class JsonLines implements LineParser {
  push(lines: readonly (TextLine | BadLine)[]): readonly ExpectedLine[] {
    return lines.flatMap((entry): ExpectedLine[] => {
      const { line } = entry
      if (isBadLine(entry)) return [{ line, problem: entry.message }]
      if (entry.text.trim() === '') return []
      try {
        const json = JSON.parse(entry.text) as unknown
        return isObject(json) ? [{ line, fields: json }] : [{ line, problem: 'it is no JSON object' }]
      } catch (error) {
        return [{ line, problem: messageOf(error) }]
      }
    })
  }
}

class CsvLines implements LineParser {
  private columns: readonly string[] | undefined
  private records: CsvRecords | undefined

  push(lines: readonly (TextLine | BadLine)[], atEnd: boolean): readonly ExpectedLine[] {
    let body = lines
    if (this.records === undefined) {
      const [header, ...rest] = lines
      if (header === undefined) return []
      if (isBadLine(header)) return [{ line: header.line, problem: header.message }]
      this.columns = parseCsvHeader(header.text) ?? []
      this.records = new CsvRecords(this.columns.length)
      body = rest
    }
    return this.records.push(body, atEnd).map((record): ExpectedLine => {
      const { line } = record
      if (isBadLine(record)) return { line, problem: record.message }
      const fields: Record<string, unknown> = {}
      for (const [index, name] of this.columns!.entries()) {
        const text = record.fields[index]!
        if (text !== '' && !(EXPORT_COLUMNS.has(name) && name !== 'key')) fields[name] = valueOf(name, text)
      }
      return { line, fields }
    })
  }
}

function valueOf(name: string, text: string): unknown {
  if (TEXT_FIELDS.has(name) || name === 'key') return text
  const number = Number(text)
  return text.trim() === '' || Number.isNaN(number) ? text : number
}

function keyed(
  path: string,
  { line, fields }: { readonly line: number; readonly fields: Readonly<Record<string, unknown>> },
): { readonly line: number; readonly key: string; readonly fields: Readonly<Record<string, unknown>> } {
  const { key } = fields
  const { key: _key, ...rest } = isObject(fields['value']) ? fields['value'] : fields
  if (typeof key === 'string') return { line, key, fields: rest }
  const { sensorId, windowStart } = rest
  if (typeof sensorId === 'string' && typeof windowStart === 'number') {
    return { line, key: aggregateKey(sensorId, windowStart), fields: rest }
  }
  throw unusable(path, line, 'it has neither a key nor sensorId and windowStart (epoch milliseconds)')
}

function unusable(path: string, line: number, problem: string): ConfigError {
  return new ConfigError([`${path}:${line}: ${problem}`])
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
