/** Log lines: one JSON object each for programs, one readable line each for people. */
import { pino, type DestinationStream, type Logger } from 'pino'
import { printable } from './text.ts'
import type { Terminal } from './terminal.ts'

/** A logger on stderr: readable where that is a terminal, else JSON as pino writes it. */
export function createLogger(level: string, terminal: Terminal): Logger {
  const destination: DestinationStream = {
    write: (line) => terminal.note(terminal.isLive ? readable(line, terminal) : line.trimEnd()),
  }
  return pino({ level, base: null }, destination)
}

/** `07:31:02 warn  the message  task=0_1 replayed=5`, times in UTC. */
function readable(line: string, terminal: Terminal): string {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toISOString().slice(11, 19)
  const label = (pino.levels.labels[Number(level)] ?? '').padEnd(5)
  const coloured =
    Number(level) >= 50 ? terminal.red(label) : Number(level) >= 40 ? terminal.yellow(label) : label
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${printable(textOf(value))}`)
  return [`${clock} ${coloured} ${printable(String(msg))}`, ...fields].join('  ')
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}
