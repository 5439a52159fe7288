/** What the settings are, from four sources: command line before environment before file before default. */
import { ConfigError } from '../errors.ts'
import { hint } from './did-you-mean.ts'
import { BadValue } from './setting-values.ts'
import { flagOf, settingOf, SETTING_KEYS, variableOf, type SettingKey, type Settings } from './settings.ts'
import { printable } from './text.ts'

/** Where values come from. */
export interface SettingSources {
  /** As the parser of the command line found them; a switch is a boolean. */
  readonly flags: ReadonlyMap<SettingKey, string | boolean>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What a configuration file holds, by key; `undefined` without one. */
  readonly file: { readonly path: string; readonly values: ReadonlyMap<string, unknown> } | undefined
}

/** The settings, and whether somebody gave them. */
export interface ResolvedSettings {
  readonly values: Settings
  /** Whether the value is more than the default. */
  isGiven(key: SettingKey): boolean
}

/** A value as it was written, and where: for messages. */
interface WrittenValue {
  readonly text: string
  readonly source: string
}

const PREFIX = 'MILLRACE_'

/**
 * The value of every setting. One `ConfigError` names every problem of every source, also of values that another
 * source overrides: unknown names, values that are none. Unknown names are told without their values, which may be
 * secrets of something else. An empty environment variable counts as missing.
 */
export function resolveSettings(sources: SettingSources): ResolvedSettings {
  const problems: string[] = []
  const written = [readFlags(sources), readEnvironment(sources, problems), readFile(sources, problems)]
  const values: Record<string, unknown> = {}
  const given = new Set<SettingKey>()
  for (const key of SETTING_KEYS) {
    const { defaultText } = settingOf(key)
    if (defaultText !== undefined) values[key] = settingOf(key).kind.parse(defaultText)
    // The strongest source comes last, so its value stays.
    for (const source of written.toReversed()) {
      const value = source.get(key)
      if (value === undefined) continue
      const parsed = parse(key, value, problems)
      given.add(key)
      values[key] = parsed
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return { values: values as unknown as Settings, isGiven: (key) => given.has(key) }
}

function parse(key: SettingKey, { text, source }: WrittenValue, problems: string[]): unknown {
  try {
    return settingOf(key).kind.parse(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    problems.push(`${source} ${error.message}, but is "${printable(text, 80)}"`)
    return undefined
  }
}

type Written = ReadonlyMap<SettingKey, WrittenValue>

function readFlags({ flags }: SettingSources): Written {
  return new Map([...flags].map(([key, value]) => [key, { text: String(value), source: flagOf(key) }]))
}

function readEnvironment({ environment }: SettingSources, problems: string[]): Written {
  const known = new Map(SETTING_KEYS.map((key) => [variableOf(key), key]))
  const written = new Map<SettingKey, WrittenValue>()
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue
    const key = known.get(name)
    if (key === undefined) {
      problems.push(`${printable(name, 80)} is no setting${hint(name, known.keys())}`)
    } else if (settingOf(key).oneShot && key !== 'config') {
      problems.push(`${name} is not taken from the environment: it belongs to one call, as ${flagOf(key)}`)
    } else {
      written.set(key, { text, source: name })
    }
  }
  return written
}

function readFile({ file }: SettingSources, problems: string[]): Written {
  const written = new Map<SettingKey, WrittenValue>()
  if (file === undefined) return written
  for (const [name, value] of file.values) {
    const key = SETTING_KEYS.find((candidate) => candidate === name)
    const source = `${file.path}: ${printable(name, 80)}`
    if (key === undefined) problems.push(`${source} is no setting${hint(name, SETTING_KEYS)}`)
    else if (settingOf(key).oneShot) problems.push(`${source} is not taken from a file: use ${flagOf(key)}`)
    else {
      const text = textOf(key, value)
      if (text === undefined) problems.push(`${source} must be one value, not a list or a group of values`)
      else written.set(key, { text, source })
    }
  }
  return written
}

/** A value of a file as the same text that a flag would have; `undefined` where it has none. */
function textOf(key: SettingKey, value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (key === 'map' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value)
      .map(([field, column]) => `${field}=${String(column)}`)
      .join(',')
  }
  return undefined
}
