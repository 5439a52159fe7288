/** Times as people and programs write them into files. */

const EPOCH_MS = /^\d{1,16}$/
const DATE_AND_TIME = /(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?/
const ZONE = /(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?/
const ISO_8601 = new RegExp(`^${DATE_AND_TIME.source}${ZONE.source}$`)

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * Epoch milliseconds of a text: either these digits themselves, or a date and time of ISO 8601 in the
 * extended form with `T` or one space between: `2013-12-02T21:15`, `2013-12-02 21:15:00.25`,
 * `2013-12-02T21:15:00+01:00`. No zone means UTC. Fractions finer than a millisecond are cut off. `null` for
 * everything else: dates alone, days and hours that do not exist, leap seconds (JavaScript time has none),
 * 24:00, times before 1970.
 */
export function parseTimestamp(text: string): number | null {
  if (EPOCH_MS.test(text)) return Number(text)
  const parts = ISO_8601.exec(text)
  if (parts === null) return null
  const [year, month, day, hour, minute] = parts.slice(1, 6).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const second = Number(parts[6] ?? 0)
  if (year < 1900 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59)
    return null
  const offsetHours = Number(parts[9] ?? 0)
  const offsetMinutes = Number(parts[10] ?? 0)
  if (offsetHours > 23 || offsetMinutes > 59) return null
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000
  const milliseconds = Number((parts[7] ?? '').padEnd(3, '0').slice(0, 3))
  const local = Date.UTC(year, month - 1, day, hour, minute, second, milliseconds)
  const time = parts[8] === '-' ? local + offsetMs : local - offsetMs
  return time >= 0 ? time : null
}

/** 0 for a month that does not exist. */
function daysIn(year: number, month: number): number {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return (DAYS_IN_MONTH[month - 1] ?? 0) + (leap ? 1 : 0)
}
