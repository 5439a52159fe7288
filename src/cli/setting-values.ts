/** What settings can be: how each kind of value is written, and what is told when it is not. */
import { isLegalName } from '../topology/validation.ts'
import { parseTimestamp } from '../sensors/timestamps.ts'
import type { ColumnMap } from '../sensors/line-readings.ts'

/** A kind of value. `parse` throws `BadValue` for a text that is none. */
export interface ValueKind<T> {
  parse(text: string): T
}

/** A text that is no value of its kind; the message says what is expected. */
export class BadValue extends Error {}

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const
type Unit = keyof typeof UNITS_MS

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/

/** Longest duration: a thousand years, as the configuration of the runtime allows. */
const DURATION_MS_MAX = 1_000 * 365 * UNITS_MS.d

/**
 * Milliseconds, written with units: `10m`, `90s`, `500ms`, `1h30m`, `1.5h`; `0` needs none. The result is a whole
 * number of milliseconds in `[leastMs, mostMs]`.
 */
export function duration(leastMs = 0, mostMs = DURATION_MS_MAX): ValueKind<number> {
  return {
    parse(text) {
      const ms = parseDuration(text)
      if (ms < leastMs) throw new BadValue(`must be at least ${formatDuration(leastMs)}`)
      if (ms > mostMs) throw new BadValue(`must be at most ${formatDuration(mostMs)}`)
      return ms
    },
  }
}

/** A duration, or `never`, which is null. */
export function durationOrNever(leastMs = 0): ValueKind<number | null> {
  const inner = duration(leastMs)
  return { parse: (text) => (text === 'never' ? null : inner.parse(text)) }
}

function parseDuration(text: string): number {
  if (text === '0') return 0
  const expected = 'must be a duration such as 10m, 90s, 500ms or 1h30m'
  if (/^\d+(\.\d+)?$/.test(text)) throw new BadValue(`${expected}: the unit is missing (d, h, m, s, ms)`)
  if (!/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) throw new BadValue(expected)
  let ms = 0
  let last = Infinity
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g)) {
    const unitMs = UNITS_MS[unit as Unit]
    if (unitMs >= last) throw new BadValue(`${expected}: each unit once, the largest first`)
    last = unitMs
    ms += Number(number) * unitMs
  }
  const whole = Math.round(ms)
  if (Math.abs(ms - whole) > 1e-6) throw new BadValue('must be a whole number of milliseconds')
  return whole
}

/** A duration as `parseDuration` reads it, in the largest units: `1h30m`, `0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  let left = ms
  let text = ''
  for (const [unit, unitMs] of Object.entries(UNITS_MS)) {
    const count = Math.floor(left / unitMs)
    if (count > 0) text += `${count}${unit}`
    left -= count * unitMs
  }
  return text
}

/** A number of things per second, written `1000/s`, `30/m`, `5/h`; above 0. */
export function rate(): ValueKind<number> {
  return {
    parse(text) {
      const match = /^(\d+(?:\.\d+)?)\/(s|m|h)$/.exec(text)
      const perSecond = match === null ? 0 : (Number(match[1]) * 1_000) / UNITS_MS[match[2] as Unit]
      if (perSecond > 0) return perSecond
      throw new BadValue('must be a rate above 0 such as 1000/s, 30/m or 5/h')
    },
  }
}

/** Two numbers, `50..55`, the lower one first. Both belong to the range. */
export function range(): ValueKind<{ readonly low: number; readonly high: number }> {
  return {
    parse(text) {
      const expected = 'must be a range such as 50..55, the lower number first'
      const at = text.indexOf('..')
      const [low, high] = at < 0 ? ['', ''] : [text.slice(0, at), text.slice(at + 2)]
      if (!DECIMAL.test(low) || !DECIMAL.test(high)) throw new BadValue(expected)
      if (Number(low) > Number(high)) throw new BadValue(expected)
      return { low: Number(low), high: Number(high) }
    },
  }
}

/** A whole number in `[least, most]`; underscores may divide the digits: `1_000_000`. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): ValueKind<number> {
  return {
    parse(text) {
      const number = /^\d+(_\d+)*$/.test(text) ? Number(text.replaceAll('_', '')) : NaN
      if (number >= least && number <= most) return number
      const limits = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
      throw new BadValue(`must be a whole number ${limits}`)
    },
  }
}

/** A share in `[0, 1]`, as a decimal number or in percent: `0.05`, `5%`. */
export function share(): ValueKind<number> {
  return {
    parse(text) {
      const percent = text.endsWith('%')
      const digits = percent ? text.slice(0, -1) : text
      const value = DECIMAL.test(digits) ? Number(digits) / (percent ? 100 : 1) : NaN
      if (value >= 0 && value <= 1) return value
      throw new BadValue('must be a share between 0 and 1, such as 0.05 or 5%')
    },
  }
}

/** One of a few words. */
export function choice<T extends string>(...words: readonly T[]): ValueKind<T> {
  return {
    parse(text) {
      const found = words.find((word) => word === text)
      if (found === undefined) throw new BadValue(`must be ${inWords(words)}`)
      return found
    },
  }
}

/** Words between commas: `a,b`. */
export function list(): ValueKind<readonly string[]> {
  return {
    parse(text) {
      const words = text.split(',').map((word) => word.trim())
      if (words.some((word) => word === '')) throw new BadValue('must be words between commas')
      return words
    },
  }
}

/** Any text that is not empty. */
export function text(): ValueKind<string> {
  return {
    parse(value) {
      if (value === '') throw new BadValue('must not be empty')
      return value
    },
  }
}

/** A name and a value: `unit=K`. The value may hold `=`, and be empty. */
export function pair(): ValueKind<{ readonly name: string; readonly value: string }> {
  return {
    parse(text) {
      const at = text.indexOf('=')
      if (at < 1) throw new BadValue('must be a name and a value such as unit=K')
      return { name: text.slice(0, at), value: text.slice(at + 1) }
    },
  }
}

/** Numbers by name: `mean=1e-9,sum=0.001`; none below 0, each name once. */
export function tolerances(): ValueKind<ReadonlyMap<string, number>> {
  return {
    parse(value) {
      const found = new Map<string, number>()
      for (const part of value.split(',')) {
        const at = part.indexOf('=')
        const [name, number] = [part.slice(0, Math.max(at, 0)).trim(), part.slice(at + 1).trim()]
        const most = DECIMAL.test(number) ? Number(number) : NaN
        if (name === '' || !(most >= 0)) throw new BadValue('must be pairs such as mean=1e-9,sum=0.001')
        if (found.has(name)) throw new BadValue(`names ${name} twice`)
        found.set(name, most)
      }
      return found
    },
  }
}

/** An address of the web; without the slashes at its end. */
export function webAddress(): ValueKind<string> {
  return {
    parse(value) {
      if (!/^https?:\/\/[^\s/]/.test(value) || !URL.canParse(value)) {
        throw new BadValue('must be an address such as http://127.0.0.1:8081')
      }
      return value.replace(/\/+$/, '')
    },
  }
}

/** Where to listen. */
export interface ListenAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

/** A host and a port: `127.0.0.1:9464`, `localhost:0`, `[::1]:9464`. */
export function listenAddress(): ValueKind<ListenAddress> {
  return {
    parse(value) {
      const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(value)
      const host = match?.[1] ?? match?.[2]
      const port = Number(match?.[3])
      if (host !== undefined && port <= 65_535) return { host, port }
      throw new BadValue('must be a host and a port such as 127.0.0.1:9464; port 0 takes any that is free')
    },
  }
}

/** A name that can be part of a topic's name. */
export function topicName(): ValueKind<string> {
  return {
    parse(value) {
      if (isLegalName(value)) return value
      throw new BadValue('must be a name of 1 to 200 letters, digits, ".", "_" or "-"')
    },
  }
}

/** Epoch milliseconds of a moment, written as such or as ISO-8601; no zone means UTC. */
export function moment(): ValueKind<number> {
  return {
    parse(value) {
      const ms = parseTimestamp(value)
      if (ms !== null) return ms
      throw new BadValue('must be a time such as 2024-01-01T00:00:00Z, or epoch milliseconds')
    },
  }
}

/** A switch: on or off. */
export function onOff(): ValueKind<boolean> {
  return {
    parse(value) {
      if (value === 'true' || value === 'false') return value === 'true'
      throw new BadValue('must be true or false')
    },
  }
}

const COLUMN_FIELDS = ['timestamp', 'temperature', 'sensorId', 'eventId', 'status'] as const

/** Which column holds which field: `timestamp=time,temperature=celsius`. A name may hold `=`, but no comma. */
export function columns(): ValueKind<Partial<ColumnMap>> {
  return {
    parse(value) {
      const map: { -readonly [K in keyof ColumnMap]?: string } = {}
      for (const pair of value.split(',')) {
        const at = pair.indexOf('=')
        const [name, column] = [pair.slice(0, Math.max(at, 0)).trim(), pair.slice(at + 1).trim()]
        const field = COLUMN_FIELDS.find((known) => known === name)
        if (at < 1 || column === '') {
          throw new BadValue('must be pairs such as timestamp=time,temperature=celsius')
        }
        if (field === undefined) {
          throw new BadValue(`knows no field "${name}"; there are ${COLUMN_FIELDS.join(', ')}`)
        }
        if (map[field] !== undefined) throw new BadValue(`names two columns for the ${field}`)
        map[field] = column
      }
      return map
    },
  }
}

/** Where to begin reading a topic. */
export type StartPoint =
  | { readonly at: 'earliest' }
  | { readonly at: 'latest' }
  | { readonly at: 'offset'; readonly offset: bigint }
  | { readonly at: 'time'; readonly timestampMs: number }

/** `earliest`, `latest`, an offset in digits, or a time in ISO-8601. */
export function startPoint(): ValueKind<StartPoint> {
  return {
    parse(value) {
      if (value === 'earliest' || value === 'latest') return { at: value }
      if (/^\d{1,18}$/.test(value)) return { at: 'offset', offset: BigInt(value) }
      const timestampMs = parseTimestamp(value)
      if (timestampMs !== null) return { at: 'time', timestampMs }
      throw new BadValue(
        'must be earliest, latest, an offset such as 1200, or a time such as 2024-01-01T00:00:00Z',
      )
    },
  }
}

/** `a`, `a or b`, `a, b or c`. */
export function inWords(words: readonly string[]): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`
}
