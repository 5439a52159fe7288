/** Texts for people: numbers, sizes, times, tables; and whatever came from outside made safe for a terminal. */

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `22,695`. */
export function formatCount(value: number | bigint): string {
  return GROUPED.format(value)
}

/** `1 reading`, `2 readings`. */
export function counted(count: number | bigint, noun: string): string {
  return `${formatCount(count)} ${noun}${Number(count) === 1 ? '' : 's'}`
}

/** `812 B`, `3.4 MB`; powers of 1,000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** An event time for people: ISO-8601 in UTC, without milliseconds where there are none; `none` for infinity. */
export function formatTime(ms: number): string {
  if (!Number.isFinite(ms)) return 'none'
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** How long something took or is ago: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`. */
export function formatElapsed(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  if (seconds < 119.5) return `${Math.round(seconds)} s`
  if (seconds < 7_170) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** A text from outside on one line, control characters shown as escapes, cut to `most` characters. */
export function printable(text: string, most = Infinity): string {
  const escaped = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  })
  return escaped.length <= most ? escaped : `${escaped.slice(0, Math.max(0, most - 1))}…`
}

/** A column of a table. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Lines of a table: titles, then rows, columns two spaces apart, no line ends in spaces. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [columns.map(({ title }) => title), ...rows.map((row) => row.map((cell) => printable(cell)))]
  const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return columns[column]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
