import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CsvRecords,
  LINES_PER_RECORD_MAX,
  parseCsvHeader,
  type CsvRecord,
} from '../../../src/sensors/csv-records.ts'
import { isBadLine, type BadLine } from '../../../src/sensors/line-reader.ts'

/** All records of a text, its lines handed over `batchSize` at a time. */
function recordsOf(text: string, columns: number, batchSize = 1000): (CsvRecord | BadLine)[] {
  const lines = text.split('\n').map((line, i) => ({ line: i + 2, text: line }))
  const csv = new CsvRecords(columns)
  const records: (CsvRecord | BadLine)[] = []
  for (let at = 0; at < lines.length; at += batchSize)
    records.push(...csv.push(lines.slice(at, at + batchSize), false))
  return records.concat(csv.push([], true))
}

const outline = (records: readonly (CsvRecord | BadLine)[]): unknown[] =>
  records.map((record) => (isBadLine(record) ? `${record.line} ${record.code}` : record.fields))

/** An independent writer of CSV: quotes what needs it, or also what does not. */
const quoteCell = (cell: string, always: boolean): string =>
  always || /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell

describe('CsvRecords', () => {
  it('reads what was written, quoted or not, whatever the batches', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '1', ',', '"', '\n', ' ', 'é'), maxLength: 6 })
    const rows = fc.array(fc.tuple(cell, cell, fc.constantFrom('x', '', '5.5')), {
      minLength: 1,
      maxLength: 15,
    })
    fc.assert(
      fc.property(rows, fc.boolean(), fc.integer({ min: 1, max: 5 }), (written, always, batchSize) => {
        const text = written.map((row) => row.map((value) => quoteCell(value, always)).join(',')).join('\n')
        expect(outline(recordsOf(text, 3, batchSize))).toEqual(written)
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  it('tells the line in which a record begins, and its text', () => {
    const records = recordsOf('a,b\n"c\nd",e\nf,g', 2)
    expect(records.map(({ line }) => line)).toEqual([2, 3, 5])
    expect(records.map((record) => (isBadLine(record) ? '' : record.text))).toEqual([
      'a,b',
      '"c\nd",e',
      'f,g',
    ])
  })

  it('passes over empty lines', () => {
    expect(outline(recordsOf('\n  \na,b\n\n', 2))).toEqual([['a', 'b']])
  })

  it.each([1, 2, 1000])('loses one line to an unclosed quote, in batches of %d', (batchSize) => {
    const lines = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? `"${i}","x"` : `${i},x`))
    lines[7] = '7,"x'
    const expected = lines.map((_, i) => (i === 7 ? '9 CSV_QUOTE_INVALID' : [String(i), 'x']))
    expect(outline(recordsOf(lines.join('\n'), 2, batchSize))).toEqual(expected)
  })

  it('loses two lines to two unclosed quotes, not what lies between', () => {
    const text = 'a,1\nb"ad,2\nc,3\n"d",4\n"bad,5\ne,6'
    expect(outline(recordsOf(text, 2))).toEqual([
      ['a', '1'],
      '3 CSV_QUOTE_INVALID',
      ['c', '3'],
      ['d', '4'],
      '6 CSV_QUOTE_INVALID',
      ['e', '6'],
    ])
  })

  it('does not take lines for one record that has another number of columns than the header', () => {
    expect(outline(recordsOf('a,b,"c\n1,2\nd"', 2))).toEqual([
      '2 CSV_QUOTE_INVALID',
      ['1', '2'],
      '4 CSV_QUOTE_INVALID',
    ])
  })

  it('keeps the line of a quote that stands where none may, and the others of its batch', () => {
    const [first, bad, last] = recordsOf('"a",1\nb"a"d,2\n"c",3', 2)
    expect(outline([first as CsvRecord, last as CsvRecord])).toEqual([
      ['a', '1'],
      ['c', '3'],
    ])
    expect(bad).toMatchObject({ line: 3, raw: Buffer.from('b"a"d,2'), code: 'CSV_QUOTE_INVALID' })
    expect((bad as BadLine).message).toBe('a quote stands within an unquoted field')
    const [closing] = recordsOf('"a"b,"c"', 2)
    expect(closing).toMatchObject({ message: 'a closing quote is not followed by a comma' })
  })

  it('refuses a line with another number of columns than the header', () => {
    const [few, many, quoted] = recordsOf('a\na,b,c\n"a","b","c"', 2)
    expect(few).toMatchObject({
      line: 2,
      code: 'CSV_COLUMN_COUNT',
      message: 'the line has 1 columns, the header 2',
    })
    expect(many).toMatchObject({ line: 3, code: 'CSV_COLUMN_COUNT', raw: Buffer.from('a,b,c') })
    expect(quoted).toMatchObject({ line: 4, code: 'CSV_COLUMN_COUNT', raw: Buffer.from('"a","b","c"') })
  })

  it('takes a field over as many lines as allowed and no more', () => {
    const field = (lines: number): string => `"${Array<string>(lines).fill('x').join('\n')}",2`
    expect(outline(recordsOf(field(LINES_PER_RECORD_MAX), 2, 7))).toHaveLength(1)
    const tooLong = outline(recordsOf(field(LINES_PER_RECORD_MAX + 1), 2, 7))
    expect(tooLong[0]).toBe('2 CSV_QUOTE_INVALID')
    expect(tooLong).toHaveLength(LINES_PER_RECORD_MAX + 1)
  })

  it('hands on lines that already came as bad', () => {
    const bad: BadLine = { line: 3, raw: Buffer.of(0xff), code: 'LINE_NOT_UTF8', message: 'not UTF-8' }
    const open = { line: 2, text: '"a,1' }
    expect(new CsvRecords(2).push([open, bad, { line: 4, text: 'b"' }], true)).toEqual([
      expect.objectContaining({ line: 2, code: 'CSV_QUOTE_INVALID' }),
      bad,
      expect.objectContaining({ line: 4, code: 'CSV_QUOTE_INVALID' }),
    ])
  })
})

describe('parseCsvHeader', () => {
  it.each([
    ['timestamp,value', ['timestamp', 'value']],
    [' timestamp , "a, b" ', null],
    ['timestamp,"a, b"', ['timestamp', 'a, b']],
    ['"timestamp', null],
    ['', ['']],
  ])('of %j is %j', (text, expected) => {
    expect(parseCsvHeader(text)).toEqual(expected)
  })
})
