/** `millrace savepoint diff`: what differs between two savepoints, entry by entry. */
import { ConfigError } from '../errors.ts'
import { diffSavepoints, type EntryDifference } from '../jobs/savepoint/diff.ts'
import { EntryReader } from '../jobs/savepoint/show-entry.ts'
import type { Savepoint } from '../jobs/savepoint/savepoint-folder.ts'
import { refuseDamaged } from '../jobs/savepoint/verify.ts'
import { sensorTopology } from '../sensors/sensor-topology.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { openNamed } from './savepoints.ts'
import { counted, formatTime, printable, table } from './text.ts'

/** Rows of the table; there may be millions. */
const ROWS_MAX = 100
const CELL_MAX = 60

/** The command. */
export const savepointDiffCommand: Command = {
  name: 'savepoint diff',
  summary: 'what differs between two savepoints',
  description:
    'Compares the stores of two savepoints by key and window: what is only in the first, only in the second, or ' +
    `different. Shows ${ROWS_MAX} differences; with --json all, one a line. Exit code 0 when there are none, else 1.`,
  argument: { name: 'savepoints', help: 'names of the two savepoints', variadic: true },
  settings: ['savepointDir'],
  examples: [
    'millrace savepoint diff monday tuesday',
    'millrace savepoint diff monday tuesday --json | wc -l',
  ],
  async run(context) {
    const { terminal, args } = context
    const [first, second, ...more] = args
    if (first === undefined || second === undefined || more.length > 0) {
      throw new ConfigError([`name two savepoints to compare, not ${args.length}`])
    }
    const [a, b] = [await openNamed(context, first), await openNamed(context, second)]
    await refuseDamaged(a)
    await refuseDamaged(b)
    const shown = new Shown(a, b)
    const rows: string[][] = []
    let count = 0
    for await (const difference of diffSavepoints(a, b)) {
      count++
      const told = shown.of(difference)
      if (terminal.json) await terminal.data(`${JSON.stringify(told)}\n`)
      else if (rows.length < ROWS_MAX) rows.push(rowOf(told))
    }
    if (count === 0) {
      terminal.say(`The stores of ${first} and ${second} are the same.`)
      return EXIT.done
    }
    const titles = ['task', 'store', 'key', 'window', `in ${first}`, `in ${second}`]
    for (const line of table(
      titles.map((title) => ({ title })),
      rows,
    ))
      terminal.say(line)
    if (count > rows.length) terminal.say(`… and ${counted(count - rows.length, 'more difference')}`)
    terminal.say(`${counted(count, 'difference')} between ${first} and ${second}.`)
    return EXIT.failed
  },
}

/** A difference as it is told. */
interface ToldDifference {
  readonly kind: 'only-in-first' | 'only-in-second' | 'different'
  readonly task: string
  readonly store: string
  readonly key: unknown
  readonly windowStart: string | null
  readonly first: ToldEntry | null
  readonly second: ToldEntry | null
}

interface ToldEntry {
  readonly value: unknown
  readonly timestamp: string
}

class Shown {
  private readonly a: Savepoint
  private readonly b: Savepoint
  /** The value formats do not depend on settings; where a savepoint is of other serdes its bytes are shown. */
  private readonly topology = sensorTopology()
  private readonly readers = new Map<string, { readonly a: EntryReader; readonly b: EntryReader }>()

  constructor(a: Savepoint, b: Savepoint) {
    this.a = a
    this.b = b
  }

  of({ task, store, key, a, b }: EntryDifference): ToldDifference {
    const readers = this.readersOf(store)
    const place = (a === undefined ? readers.b : readers.a).key(key)
    const { windowStartMs } = place
    return {
      kind: a === undefined ? 'only-in-second' : b === undefined ? 'only-in-first' : 'different',
      task,
      store,
      key: place.key,
      windowStart: windowStartMs === undefined ? null : formatTime(windowStartMs),
      first: a === undefined ? null : { value: readers.a.value(a), timestamp: formatTime(a.timestamp) },
      second: b === undefined ? null : { value: readers.b.value(b), timestamp: formatTime(b.timestamp) },
    }
  }

  private readersOf(store: string): { readonly a: EntryReader; readonly b: EntryReader } {
    const known = this.readers.get(store) ?? {
      a: new EntryReader(this.a.manifest, store, this.topology),
      b: new EntryReader(this.b.manifest, store, this.topology),
    }
    this.readers.set(store, known)
    return known
  }
}

function rowOf({ task, store, key, windowStart, first, second }: ToldDifference): string[] {
  const cell = (entry: ToldEntry | null): string =>
    entry === null ? '-' : printable(textOf(entry.value), CELL_MAX)
  return [task, store, printable(textOf(key), CELL_MAX), windowStart ?? '', cell(first), cell(second)]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
