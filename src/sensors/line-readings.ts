/** What the lines of a file say: readings, from CSV columns or JSON fields of any name. */
import { parse as parsePath } from 'node:path'
import { ConfigError, messageOf, RecordError } from '../index.ts'
import { CsvRecords, parseCsvHeader, type CsvRecord } from './csv-records.ts'
import { deriveEventId } from './event-id.ts'
import { isBadLine, type BadLine, type TextLine } from './line-reader.ts'
import { isId, parseReading, requireObject, show, type Reading } from './reading.ts'
import { parseTimestamp } from './timestamps.ts'

/** Which column, or field of a JSON object, holds what. */
export interface ColumnMap {
  readonly timestamp: string
  readonly temperature: string
  readonly sensorId: string
  readonly eventId: string
  readonly status: string
}

/** Where readings stand in a line. */
export interface LineOptions {
  /**
   * Columns with other names than in `Reading`. Without one for the temperature, a column `value` is it where
   * there is no `temperature`. A CSV column that is named here must exist.
   */
  readonly columns?: Partial<ColumnMap>
  /** The sensor of all readings, whatever the file says. Not together with a column for it. */
  readonly sensor?: string
}

/** A reading and the line it begins in. */
export interface ReadingLine {
  readonly line: number
  readonly reading: Reading
}

/** Turns the next lines of a file into readings and bad lines, in order. `atEnd`: none will follow. */
export type LineInterpreter = (
  lines: readonly (TextLine | BadLine)[],
  atEnd: boolean,
) => readonly (ReadingLine | BadLine)[]

/**
 * An interpreter for the lines of one file. `ConfigError`, here or at the header, when the options do not
 * fit.
 */
export function lineInterpreter(
  format: 'csv' | 'jsonl',
  path: string,
  options: LineOptions,
): LineInterpreter {
  const { sensor, columns } = options
  if (sensor !== undefined && !isId(sensor)) {
    throw new ConfigError([
      `the sensor must be well-formed text of 1 to 256 characters, but is ${show(sensor)}`,
    ])
  }
  if (sensor !== undefined && columns?.sensorId !== undefined) {
    throw new ConfigError(['either one sensor for the whole file or a column for it, not both'])
  }
  const interpreter = format === 'csv' ? new CsvLines(path, options) : new JsonLines(path, options)
  return (lines, atEnd) => interpreter.push(lines, atEnd)
}

/** What a line holds for each field, not yet checked. */
type RawReading = Readonly<Record<keyof Reading, unknown>>

const FIELDS = ['timestamp', 'temperature', 'sensorId', 'eventId', 'status'] as const
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

class CsvLines {
  readonly #path: string
  readonly #options: LineOptions
  #records: CsvRecords | null = null
  /** The position of each field; -1 for none. */
  #at: Record<keyof ColumnMap, number> = {
    timestamp: -1,
    temperature: -1,
    sensorId: -1,
    eventId: -1,
    status: -1,
  }

  constructor(path: string, options: LineOptions) {
    this.#path = path
    this.#options = options
  }

  push(lines: readonly (TextLine | BadLine)[], atEnd: boolean): (ReadingLine | BadLine)[] {
    let from = 0
    while (this.#records === null) {
      const line = lines[from++]
      if (line === undefined) return []
      if (isBadLine(line) || line.text.trim() !== '') this.#readHeader(line)
    }
    const records = this.#records.push(from === 0 ? lines : lines.slice(from), atEnd)
    return records.map((record) => (isBadLine(record) ? record : this.#interpret(record)))
  }

  #readHeader(line: TextLine | BadLine): void {
    const names = isBadLine(line) ? null : parseCsvHeader(line.text)
    if (names === null) {
      const text = isBadLine(line) ? line.message : show(line.text)
      throw new ConfigError([`${this.#path}: line ${line.line} is no CSV header: ${text}`])
    }
    const problems: string[] = []
    for (const field of FIELDS) {
      const name = this.#columnOf(field, names)
      const at = name === null ? -1 : names.indexOf(name)
      if (at < 0 && name !== null) {
        const there = names.map((column) => JSON.stringify(column)).join(', ')
        problems.push(`${this.#path}: there is no column "${name}" for the ${field}; there are: ${there}`)
      } else if (name !== null && names.indexOf(name, at + 1) >= 0) {
        problems.push(`${this.#path}: the column "${name}" for the ${field} is there twice`)
      }
      this.#at[field] = at
    }
    if (problems.length > 0) throw new ConfigError(problems)
    this.#records = new CsvRecords(names.length)
  }

  /**
   * The name of the column that must be there; `null` for a field that is optional and not there, or not
   * wanted.
   */
  #columnOf(field: keyof ColumnMap, names: readonly string[]): string | null {
    const named = this.#options.columns?.[field]
    if (named !== undefined) return named
    if (field === 'timestamp') return field
    if (field === 'temperature') return !names.includes(field) && names.includes('value') ? 'value' : field
    if (field === 'sensorId' && this.#options.sensor !== undefined) return null
    return names.includes(field) ? field : null
  }

  #interpret({ line, text, fields }: CsvRecord): ReadingLine | BadLine {
    const at = this.#at
    const cell = (field: keyof ColumnMap): string | undefined => fields[at[field]]
    return readingLine(line, text, () => {
      const temperature = cell('temperature')?.trim() ?? ''
      return {
        eventId: cell('eventId'),
        sensorId: at.sensorId >= 0 ? cell('sensorId') : (this.#options.sensor ?? sensorNamed(this.#path)),
        timestamp: cell('timestamp')?.trim(),
        temperature: DECIMAL.test(temperature) ? Number(temperature) : temperature,
        status: cell('status') === '' ? undefined : cell('status'),
        synthetic: undefined,
      }
    })
  }
}

class JsonLines {
  readonly #path: string
  readonly #options: LineOptions
  readonly #names: ColumnMap
  /** Whether a line had a sensor: then every line must, else the file's name stands for it. */
  #namesSensors: boolean

  constructor(path: string, options: LineOptions) {
    this.#path = path
    this.#options = options
    const names = { timestamp: 'timestamp', temperature: 'temperature', sensorId: 'sensorId' }
    this.#names = { ...names, eventId: 'eventId', status: 'status', ...options.columns }
    this.#namesSensors = options.columns?.sensorId !== undefined
  }

  push(lines: readonly (TextLine | BadLine)[]): (ReadingLine | BadLine)[] {
    const entries: (ReadingLine | BadLine)[] = []
    const parsed = lines.map((line) => (isBadLine(line) ? line : { ...line, json: parseLine(line.text) }))
    // Looked for in the whole batch first: the very first line may be the broken one.
    this.#namesSensors ||= parsed.some(
      (line) => !isBadLine(line) && hasField(line.json, this.#names.sensorId),
    )
    for (const line of parsed) {
      if (isBadLine(line)) entries.push(line)
      else if (line.text.trim() !== '') entries.push(this.#interpret(line.line, line.text, line.json))
    }
    return entries
  }

  #interpret(line: number, text: string, json: unknown): ReadingLine | BadLine {
    return readingLine(line, text, () => {
      if (json instanceof RecordError) throw json
      requireObject(json)
      const names = this.#names
      const otherTemperature =
        this.#options.columns?.temperature === undefined && !hasField(json, 'temperature')
      return {
        eventId: asId(fieldOf(json, names.eventId)),
        sensorId: this.#sensorOf(json),
        timestamp: fieldOf(json, names.timestamp),
        temperature: fieldOf(json, otherTemperature && hasField(json, 'value') ? 'value' : names.temperature),
        status: fieldOf(json, names.status),
        synthetic: fieldOf(json, 'synthetic'),
      }
    })
  }

  #sensorOf(json: object): unknown {
    if (this.#options.sensor !== undefined) return this.#options.sensor
    return this.#namesSensors ? asId(fieldOf(json, this.#names.sensorId)) : sensorNamed(this.#path)
  }
}

function sensorNamed(path: string): string {
  return parsePath(path).name
}

/** The parsed line, or the error that it is not JSON. */
function parseLine(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    return new RecordError('LINE_NOT_JSON', messageOf(error), { cause: error })
  }
}

function hasField(json: unknown, name: string): boolean {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, name)
}

function fieldOf(json: object, name: string): unknown {
  return Object.hasOwn(json, name) ? (json as Record<string, unknown>)[name] : undefined
}

/** Foreign files number their sensors and events; what CSV can say as text, JSON can as an integer. */
function asId(value: unknown): unknown {
  return Number.isSafeInteger(value) ? String(value) : value
}

function readingLine(line: number, text: string, extract: () => RawReading): ReadingLine | BadLine {
  try {
    return { line, reading: toReading(extract()) }
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    return { line, raw: Buffer.from(text), code: error.code, message: error.message }
  }
}

function toReading(raw: RawReading): Reading {
  const timestamp = typeof raw.timestamp === 'string' ? parseTimestamp(raw.timestamp) : raw.timestamp
  if (timestamp === null && raw.timestamp !== null) {
    const expected = 'epoch milliseconds or ISO-8601 such as 2013-12-02T21:15:00Z, not before 1970'
    throw new RecordError('TIMESTAMP_INVALID', `timestamp must be ${expected}, but is ${show(raw.timestamp)}`)
  }
  if (raw.eventId !== undefined && raw.eventId !== null && raw.eventId !== '')
    return parseReading({ ...raw, timestamp })
  const reading = parseReading({ ...raw, timestamp, eventId: 'to be derived' })
  return { ...reading, eventId: deriveEventId(reading.sensorId, reading.timestamp, reading.temperature) }
}
