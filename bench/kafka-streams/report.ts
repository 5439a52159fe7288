/** The result as Markdown, for the terminal and for bench/README.md alike. */
import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { comparisons, spreadOf, type Comparison, type Measured, type Paced, type Spread } from './summary.ts'

/** What a result needs to be understood later. */
export interface Setting {
  readonly date: string
  readonly machine: string
  readonly versions: string
  readonly workload: string
  readonly peer: string
}

type Row = readonly string[]

const BEGIN = '<!-- kafka-streams:begin -->'
const END = '<!-- kafka-streams:end -->'

/** The machine in a few words. */
export function describeMachine(): string {
  const model = os.cpus()[0]?.model ?? 'unknown CPU'
  const gigabytes = Math.round(os.totalmem() / 2 ** 30)
  return `${os.cpus().length} cores (${model}), ${gigabytes} GiB, ${os.type()} ${os.release()}`
}

/** The whole result. */
export function report(setting: Setting, measured: readonly Measured[], paced: readonly Paced[]): string {
  const runs = Math.min(...measured.map(({ trials }) => trials.length))
  const lines = [
    `${setting.date} on ${setting.machine}; ${setting.versions}.`,
    setting.workload,
    setting.peer,
    `Medians of ${runs} ${runs === 1 ? 'run' : 'runs'} each, in turn; in parentheses the lowest and the highest.`,
  ]
  const tables = [table(MEASURED_HEAD, measured.map(measuredRow)), ratios(measured), pacedTable(paced)]
  return [...lines, ...tables.filter(({ length }) => length > 0).flatMap((rows) => ['', ...rows])].join('\n')
}

/** Puts a result into the file, between the marks. */
export function writeInto(file: string, result: string): void {
  const text = readFileSync(file, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for the result: ${BEGIN} … ${END}`)
  writeFileSync(file, `${text.slice(0, begin + BEGIN.length)}\n\n${result}\n\n${text.slice(end)}`)
}

const MEASURED_HEAD: Row = [
  'contender',
  'duplicate detection',
  'readings/s',
  'of it the second half',
  'CPU s per million',
  'broker CPU s per million',
  'peak memory, MB',
  'start, s',
]

function measuredRow(measured: Measured): Row {
  return [
    measured.label,
    onOff(measured.deduplicate),
    thousands(spreadOf(measured, 'rate')),
    thousands(spreadOf(measured, 'warmRate')),
    decimals(spreadOf(measured, 'cpuPerMillion'), 2),
    decimals(spreadOf(measured, 'brokerCpuPerMillion'), 2),
    decimals(spreadOf(measured, 'peak'), 0),
    decimals(spreadOf(measured, 'start'), 1),
  ]
}

function ratios(measured: readonly Measured[]): readonly string[] {
  const compared = comparisons(measured)
  if (compared.length === 0) return []
  const head = ['millrace over', 'duplicate detection', 'readings/s', 'CPU', 'peak memory']
  return table(head, compared.map(comparedRow))
}

function comparedRow({ peer, deduplicate, speed, cpu, memory }: Comparison): Row {
  return [peer, onOff(deduplicate), decimals(speed, 2), decimals(cpu, 2), decimals(memory, 2)]
}

function pacedTable(paced: readonly Paced[]): readonly string[] {
  const head = [
    'at a steady pace',
    'readings/s',
    'p50 of runs, ms',
    'p99 of runs, ms',
    'first result after a kill, s',
  ]
  const cell = (numbers: Spread | undefined, digits: number): string =>
    numbers === undefined ? '' : decimals(numbers, digits)
  const rows = paced.map(({ label, rate, medianMs, nearWorstMs, recoverySeconds }) => {
    const latency = [cell(medianMs, 0), cell(nearWorstMs, 0)]
    return [label, rate.toLocaleString('en-US'), ...latency, cell(recoverySeconds, 1)]
  })
  return rows.length === 0 ? [] : table(head, rows)
}

function onOff(deduplicate: boolean): string {
  return deduplicate ? 'on' : 'off'
}

function thousands(numbers: Spread): string {
  return shown(numbers, (number) => Math.round(number).toLocaleString('en-US'))
}

function decimals(numbers: Spread, digits: number): string {
  return shown(numbers, (number) => number.toFixed(digits))
}

/** A dash where the input was too small to tell: all results in one commit. */
function shown({ median, least, most }: Spread, format: (number: number) => string): string {
  if (!Number.isFinite(most)) return '–'
  return `${format(median)} (${format(least)} to ${format(most)})`
}

/** A table in Markdown, its columns aligned. */
export function table(head: Row, rows: readonly Row[]): readonly string[] {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const line = (row: Row): string => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}
