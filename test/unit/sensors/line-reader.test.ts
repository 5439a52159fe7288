import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import {
  isBadLine,
  KEPT_OF_LONG_LINE,
  LINE_SIZE_MAX,
  readLines,
  type BadLine,
  type TextLine,
} from '../../../src/sensors/line-reader.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()

async function linesOf(content: string | Uint8Array): Promise<(TextLine | BadLine)[]> {
  const lines: (TextLine | BadLine)[] = []
  for await (const batch of readLines(folder.write('lines', content))) lines.push(...batch)
  return lines
}

const texts = async (content: string | Uint8Array): Promise<string[]> =>
  (await linesOf(content)).map((line) => (isBadLine(line) ? line.code : line.text))

describe('readLines', () => {
  it.each([
    ['nothing', '', []],
    ['one line without an end', 'a', ['a']],
    ['LF', 'a\nb\n', ['a', 'b']],
    ['CRLF', 'a\r\nb\r\n', ['a', 'b']],
    ['both', 'a\r\nb\nc', ['a', 'b', 'c']],
    ['empty lines', '\n\na\n\n', ['', '', 'a', '']],
    ['a carriage return within a line', 'a\rb\n', ['a\rb']],
    ['a byte order mark', '\ufeffa\nb', ['a', 'b']],
    ['only a byte order mark', '\ufeff', []],
    ['wide characters', 'é\u20ac\n\u{1f600}', ['é\u20ac', '\u{1f600}']],
  ])('reads %s', async (_what, content, expected) => {
    const lines = await linesOf(content)
    expect(lines).toEqual(expected.map((text, i) => ({ line: i + 1, text })))
  })

  it('reads lines of any length across its buffer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 12 }), async (lengths) => {
        const expected = lengths.map((length, i) => `${i}\u20ac`.padEnd(length, 'x'))
        expect(await texts(expected.map((line) => `${line}\n`).join(''))).toEqual(expected)
      }),
      { seed: 1, numRuns: 30 },
    )
  })

  it('keeps the bytes of a line that is not UTF-8 and goes on', async () => {
    const [first, bad, last] = await linesOf(
      Buffer.concat([Buffer.from('a\n'), Buffer.of(0x62, 0xe9), Buffer.from('\r\nc')]),
    )
    expect(first).toEqual({ line: 1, text: 'a' })
    expect(bad).toMatchObject({ line: 2, code: 'LINE_NOT_UTF8', raw: Buffer.of(0x62, 0xe9) })
    expect(last).toEqual({ line: 3, text: 'c' })
  })

  it.each([
    ['in the middle', 'a\n', '\nb\n'],
    ['at the start and the end', '', ''],
  ])('tells of a line that is too long, %s', async (_where, before, after) => {
    const long = 'y'.repeat(2_000_000)
    const lines = await linesOf(before + long + after)
    const bad = lines.find((line) => isBadLine(line)) as BadLine
    expect(bad.code).toBe('LINE_TOO_LONG')
    expect(bad.raw.equals(Buffer.from(long.slice(0, KEPT_OF_LONG_LINE)))).toBe(true)
    const digest = createHash('sha256').update(long).digest('hex')
    expect(bad.message).toBe(`the line has 2000000 bytes, at most 1048576 are read; SHA-256 ${digest}`)
    expect(lines.map((line) => (isBadLine(line) ? '!' : line.text))).toEqual(
      before === '' ? ['!'] : ['a', '!', 'b'],
    )
  })

  it('takes a line of just the largest size', async () => {
    const longest = 'z'.repeat(LINE_SIZE_MAX)
    const [whole, next] = await texts(`${longest}\nb`)
    expect([whole === longest, next]).toEqual([true, 'b'])
    expect(await texts(`${longest}z\nb`)).toEqual(['LINE_TOO_LONG', 'b'])
  })

  it('tells how many bytes it has read', async () => {
    const seen: number[] = []
    const path = folder.write('size', '\ufeff' + 'line\n'.repeat(50_000))
    for await (const batch of readLines(path, (bytes) => seen.push(bytes)))
      expect(batch.length).toBeGreaterThan(0)
    expect(seen.at(-1)).toBe(250_003)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(seen.length).toBeGreaterThan(2)
  })

  it.each([
    ['is missing', () => `${folder.path}/none.csv`, 'none.csv: no such file'],
    ['is a folder', () => folder.path, 'is a directory, not a file'],
    [
      'is UTF-16',
      () => folder.write('utf16', Buffer.from('\ufeffa,b', 'utf16le')),
      'is UTF-16; save it as UTF-8',
    ],
    ['has a path that cannot be', () => 'a\0b', 'null bytes'],
  ])('refuses a file that %s', async (_what, path, message) => {
    const reading = readLines(path()).next()
    await expect(reading).rejects.toBeInstanceOf(ConfigError)
    await expect(reading).rejects.toThrow(message)
  })
})
