/** What an error means for whoever called the command: one clear message and an exit code. */
import { inspect } from 'node:util'
import { AssertionError } from '../assert.ts'
import { codeOf, ConfigError, messageOf, MillraceError } from '../errors.ts'

/** How a command can end. */
export const EXIT = {
  done: 0,
  /** It was begun and failed, or was interrupted before its end. */
  failed: 1,
  /** Nothing was begun: command line, settings or a named file cannot be used as they are. */
  usage: 2,
} as const

/** An error as it is told. */
export interface Failure {
  readonly exitCode: number
  readonly message: string
  /** What a developer wants to see: for defects always, else with `--verbose`. */
  readonly details: string | undefined
}

/** The work was stopped by a signal before it was done; the message says how it goes on. */
export class InterruptedError extends MillraceError {
  constructor(message: string) {
    super('INTERRUPTED', message)
  }
}

/** What to tell, and how to end. */
export function describeFailure(error: unknown, verbose: boolean): Failure {
  if (isDefect(error)) {
    const message = `${messageOf(error)}\nThis is a defect of millrace. Please report it with the lines that follow.`
    return { exitCode: EXIT.failed, message, details: inspect(error) }
  }
  const exitCode = error instanceof ConfigError ? EXIT.usage : EXIT.failed
  return { exitCode, message: messageFor(error), details: verbose ? inspect(error) : undefined }
}

/** Whether nobody foresaw it: neither an error of millrace nor one of the system. */
function isDefect(error: unknown): boolean {
  if (error instanceof AssertionError) return true
  if (error instanceof MillraceError) return false
  const code = codeOf(error, '')
  return code === '' || code.startsWith('ERR_')
}

function messageFor(error: unknown): string {
  if (error instanceof ConfigError) {
    return error.problems.length === 1
      ? (error.problems[0] ?? error.message)
      : error.problems.map(asItem).join('\n')
  }
  if (error instanceof MillraceError) {
    if (error instanceof InterruptedError) return error.message
    const [first = '', ...more] = error.message.split('\n')
    return [`${first} [${error.code}]`, ...more, ...adviceFor(error.code)].join('\n')
  }
  return messageOf(error)
}

function asItem(problem: string, index: number): string {
  return index === 0 ? `several problems:\n  - ${problem}` : `  - ${problem}`
}

const ADVICE: Readonly<Record<string, string>> = {
  LOG_DISK_FULL: 'Nothing that was committed is lost. Make room, then run the same command again.',
  AUTHENTICATION_FAILED: 'Check --sasl-mechanism, --sasl-username and --sasl-password.',
  TLS_FAILED: 'Check --tls-ca: it has to hold the authority that signed the certificate of the brokers.',
  ACCESS_DENIED:
    'Grant it with kafka-acls.sh --add --allow-principal; the README lists what each command needs (Permissions).',
  LOG_OWNER_UNREACHABLE: 'End that process, or choose another --data-dir.',
  LOG_DIRECTORY_UNUSABLE: 'Choose another --data-dir.',
  HTTP_ADDRESS_UNUSABLE: 'Choose another --http; port 0 takes any that is free.',
  STATE_MISMATCH:
    'Use the settings it was made with, another --application-id, or start over: millrace reset --dry-run.',
  ENOSPC: 'Nothing that was committed is lost. Make room, then run the same command again.',
}

function adviceFor(code: string): readonly string[] {
  const advice = ADVICE[code]
  return advice === undefined ? [] : [advice]
}
