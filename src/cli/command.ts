/** What a command is, and what it is given. */
import type { Logger } from 'pino'
import type { Clock, Random } from '../clock.ts'
import type { Log } from '../log/log.ts'
import type { ResolvedSettings } from './resolve-settings.ts'
import type { SettingKey, Settings } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** A command of the program, as data: the parser and the help are made from it. */
export interface Command {
  /** One word, or two of which the first is in `COMMAND_GROUPS`. */
  readonly name: string
  /** A few words, for the list of commands. */
  readonly summary: string
  /** Two sentences or so: what it does, and what one should know. */
  readonly description: string
  /** What stands behind the name; none by default. */
  readonly argument?: CommandArgument
  /** Settings it takes besides those of every command. */
  readonly settings: readonly SettingKey[]
  readonly examples: readonly string[]
  /** Settings that contradict each other, one text each. */
  check?(settings: ResolvedSettings): readonly string[]
  /** Does it. Resolves with the exit code; rejects with what `describeFailure` tells. */
  run(context: CommandContext): Promise<number>
}

/** What stands behind the name of a command. */
export interface CommandArgument {
  readonly name: string
  readonly help: string
  /** Whether there may be several. */
  readonly variadic: boolean
  /** Whether it may be left out; not by default. */
  readonly optional?: boolean
}

/** Commands of two words: what the first word stands for. */
export const COMMAND_GROUPS: Readonly<Record<string, string>> = {
  backfill:
    'computes results of a time range again, compares them, publishes the differences, takes them back',
  dlq: 'what could not be worked: shows it, puts it back, puts it aside',
  savepoint: 'states of an application to go back to: takes, checks, compares them',
}

/** Everything a command may use. */
export interface CommandContext {
  /** What stood behind the name. */
  readonly args: readonly string[]
  readonly settings: Settings
  readonly isGiven: (key: SettingKey) => boolean
  readonly terminal: Terminal
  readonly logger: Logger
  readonly clock: Clock
  readonly random: Random
  /** Aborted by the first SIGINT or SIGTERM: end as soon as that leaves nothing half done. */
  readonly signal: AbortSignal
  readonly stdin: NodeJS.ReadableStream
  /** Where package.json, data and topology.md are. */
  readonly packageRoot: string
  readonly directories: Directories
  /**
   * Opens the log; it is closed when the command ends. `existing`: refuses, `FatalError` `LOG_MISSING`, where there
   * is none, instead of making one.
   */
  openLog(mode: 'create' | 'existing'): Promise<Log>
}

/** Where the data of an installation is, absolute. */
export interface Directories {
  readonly data: string
  readonly log: string
  /** Of all applications; below it a folder for each, and in that one for each instance. */
  readonly state: string
}
