/**
 * CSV (RFC 4180) lines to records, so that one bad line costs one line. This is the home of csv-parse, which
 * takes quoted fields apart; what it does not do is find back into step: for it, an unclosed quote swallows
 * the rest of the file. Here a line whose quotes do not pair is joined with the lines up to the next such
 * line, and if that makes no proper record, it alone is bad and the lines behind it are read as usual.
 */
import { parse } from 'csv-parse/sync'
import { codeOf } from '../index.ts'
import { isBadLine, type BadLine, type TextLine } from './line-reader.ts'

/** One record. */
export interface CsvRecord {
  /** Where it begins; from 1, the header counts. */
  readonly line: number
  /** The whole record as it stood in the file. */
  readonly text: string
  /** As many as the header has. */
  readonly fields: readonly string[]
}

/** How many lines a quoted field may run over. */
export const LINES_PER_RECORD_MAX = 100

const QUOTE = '"'

/** The column names of a header line, without spaces around them; `null` when its quotes do not pair. */
export function parseCsvHeader(text: string): readonly string[] | null {
  const fields = text.includes(QUOTE) ? parseQuoted(text) : text.split(',')
  return fields === null ? null : fields.map((name) => name.trim())
}

/** Records of the lines below a header with `columns` columns. Empty lines are passed over. */
export class CsvRecords {
  readonly #columns: number
  /** Lines from one with an unpaired quote on, for which the line that ends the record has not come yet. */
  #held: (TextLine | BadLine)[] = []

  constructor(columns: number) {
    this.#columns = columns
  }

  /**
   * The records that are complete with these lines, in order; `atEnd`: no lines will follow. Bad lines are
   * `CSV_COLUMN_COUNT` and `CSV_QUOTE_INVALID`, and those that already came as such.
   */
  push(lines: readonly (TextLine | BadLine)[], atEnd: boolean): (CsvRecord | BadLine)[] {
    const all = this.#held.length === 0 ? lines : this.#held.concat(lines)
    this.#held = []
    const records: (CsvRecord | BadLine)[] = []
    const quoted: number[] = []
    for (let i = 0; i < all.length; i++) {
      const line = all[i] as TextLine | BadLine
      if (isBadLine(line)) records.push(line)
      else if (!line.text.includes(QUOTE)) this.#pushPlain(line, records)
      else if (hasPairedQuotes(line.text)) {
        quoted.push(records.length)
        records.push({ line: line.line, text: line.text, fields: [] })
      } else {
        const end = nextUnpaired(all, i + 1)
        if (end === 'unknown' && !atEnd) {
          this.#held = all.slice(i)
          break
        }
        const joined = typeof end === 'number' ? this.#join(all.slice(i, end + 1) as TextLine[]) : null
        if (joined !== null) i = end as number
        records.push(joined ?? badLine(line, 'CSV_QUOTE_INVALID', 'a quote is not closed'))
      }
    }
    this.#parseAll(records, quoted)
    return records
  }

  #pushPlain(line: TextLine, records: (CsvRecord | BadLine)[]): void {
    if (line.text.trim() !== '') records.push(this.#checked(line, line.text.split(',')))
  }

  #checked({ line, text }: TextLine, fields: readonly string[]): CsvRecord | BadLine {
    if (fields.length === this.#columns) return { line, text, fields }
    const message = `the line has ${fields.length} columns, the header ${this.#columns}`
    return badLine({ line, text }, 'CSV_COLUMN_COUNT', message)
  }

  /** The record that these lines make together; `null` when they make none. */
  #join(lines: readonly TextLine[]): CsvRecord | null {
    const text = lines.map((line) => line.text).join('\n')
    const fields = parseQuoted(text)
    const { line } = lines[0] as TextLine
    return fields?.length === this.#columns ? { line, text, fields } : null
  }

  /**
   * Takes the quoted records apart: all at once, which costs a tenth; one by one only when one of them is
   * bad.
   */
  #parseAll(records: (CsvRecord | BadLine)[], quoted: readonly number[]): void {
    if (quoted.length === 0) return
    const texts = quoted.map((at) => (records[at] as CsvRecord).text)
    const parsed = parseTogether(texts)
    for (const [i, at] of quoted.entries()) {
      const record = records[at] as CsvRecord
      const fields = parsed === null ? parseQuoted(record.text) : (parsed[i] as readonly string[])
      records[at] =
        fields === null
          ? badLine(record, 'CSV_QUOTE_INVALID', whyNotParsed(record.text))
          : this.#checked(record, fields)
    }
  }
}

function badLine({ line, text }: TextLine, code: string, message: string): BadLine {
  return { line, raw: Buffer.from(text), code, message }
}

function hasPairedQuotes(text: string): boolean {
  let paired = true
  for (let at = text.indexOf(QUOTE); at >= 0; at = text.indexOf(QUOTE, at + 1)) paired = !paired
  return paired
}

/**
 * Where the next line with an unpaired quote is: `none` within the lines of one record, `unknown` behind the
 * last line.
 */
function nextUnpaired(lines: readonly (TextLine | BadLine)[], from: number): number | 'none' | 'unknown' {
  for (let i = from; i < lines.length; i++) {
    const line = lines[i] as TextLine | BadLine
    if (isBadLine(line) || i - from >= LINES_PER_RECORD_MAX - 1) return 'none'
    if (!hasPairedQuotes(line.text)) return i
  }
  return 'unknown'
}

const OPTIONS = { relax_column_count: true, record_delimiter: '\n' }

function parseTogether(texts: readonly string[]): string[][] | null {
  try {
    const parsed = parse(texts.join('\n'), OPTIONS)
    return parsed.length === texts.length ? parsed : null
  } catch {
    return null
  }
}

function parseQuoted(text: string): readonly string[] | null {
  return parseTogether([text])?.[0] ?? null
}

/**
 * csv-parse's own message counts lines from this record and repeats all of its text, so only its code is
 * used.
 */
function whyNotParsed(text: string): string {
  try {
    parse(text, OPTIONS)
    return 'the quotes end a record within the line'
  } catch (error) {
    const opening = codeOf(error, '').includes('OPENING')
    return opening ? 'a quote stands within an unquoted field' : 'a closing quote is not followed by a comma'
  }
}
