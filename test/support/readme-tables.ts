/**
 * Tables of the README that are made from the sources. Each stands between `<!-- name:begin -->` and
 * `<!-- name:end -->`; `UPDATE=1 npx vitest run test/readme.test.ts` writes them anew.
 */
import { format, resolveConfig } from 'prettier'
import { COMMANDS } from '../../src/cli/main.ts'
import {
  flagOf,
  GLOBAL_SETTINGS,
  settingOf,
  SETTING_KEYS,
  type SettingKey,
  variableOf,
} from '../../src/cli/settings.ts'
import { SENSOR_COUNTS } from '../../src/cli/ops.ts'
import { configTable } from '../../src/index.ts'
import { METRICS, type MetricRow } from '../../src/web/metric-table.ts'

/** What each place has to hold. */
export const TABLES: Readonly<Record<string, () => string>> = {
  settings: settingsTable,
  config: appTable,
  metrics: metricsTable,
}

/** The settings of the commands, in the order of their table. */
function settingsTable(): string {
  const rows = SETTING_KEYS.map((key) => {
    const { placeholder, defaultText, help } = settingOf(key)
    const flag = placeholder === undefined ? flagOf(key) : `${flagOf(key)} <${placeholder}>`
    return [
      code(flag),
      isFromEnvironment(key) ? code(variableOf(key)) : '',
      isFromFile(key) ? code(key) : '',
      defaultText === undefined ? '' : code(defaultText),
      commandsOf(key),
      plain(help),
    ]
  })
  return table(['flag', 'environment', 'file', 'default', 'commands', 'meaning'], rows)
}

/** Whether the environment is asked. A setting of one call is a flag only, but for the name of the file. */
export function isFromEnvironment(key: SettingKey): boolean {
  return key === 'config' || !settingOf(key).oneShot
}

/** Whether a configuration file may have it. */
export function isFromFile(key: SettingKey): boolean {
  return !settingOf(key).oneShot
}

function commandsOf(key: SettingKey): string {
  if ((GLOBAL_SETTINGS as readonly SettingKey[]).includes(key)) return 'all'
  const names = COMMANDS.filter(({ settings }) => settings.includes(key)).map(({ name }) => name)
  if (names.length === 0) throw new Error(`no command takes the setting ${key}`)
  return names.join(', ')
}

/** What a `StreamsApp` is configured with. */
function appTable(): string {
  const rows = configTable().map(({ name, defaultValue, meaning }) => [
    code(name),
    plain(defaultValue),
    plain(meaning),
  ])
  return table(['option', 'default', 'meaning'], rows)
}

/** The metrics of `run --http`, those of the process excepted. */
function metricsTable(): string {
  const metrics: readonly MetricRow[] = [
    ...Object.values(METRICS),
    ...SENSOR_COUNTS.map(({ metric }) => metric),
  ]
  const rows = metrics.map(({ name, kind, labels, help }) => [
    code(name),
    kind,
    labels.map(code).join(', '),
    plain(help),
  ])
  return table(['metric', 'kind', 'labels', 'meaning'], rows)
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const ruler = titles.map(() => '---')
  return [titles, ruler, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

/** A bar would end the cell, in code too. */
function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``
}

function plain(text: string): string {
  return text.replaceAll(/[\\|<>*_`]/g, '\\$&')
}

/** What stands between the marks of `name`; `undefined` where they are not there. */
export function between(markdown: string, name: string): string | undefined {
  return pattern(name).exec(markdown)?.[2]
}

/** The text with a table between the marks of `name`, as prettier formats it. */
export async function withTable(markdown: string, name: string, content: string): Promise<string> {
  const options = await resolveConfig(import.meta.filename)
  const formatted = await format(content, { ...options, parser: 'markdown' })
  return markdown.replace(pattern(name), (_all, begin: string, _old, end: string) => {
    return `${begin}\n\n${formatted}\n${end}`
  })
}

function pattern(name: string): RegExp {
  return new RegExp(`(<!-- ${name}:begin -->)([^]*?)(<!-- ${name}:end -->)`)
}
