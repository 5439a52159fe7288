/**
 * Every error class of millrace, in one table.
 *
 * A class is named by what the runtime does next, a code says what happened. Codes do not change between minor
 * releases; messages may. `cause` keeps what was caught. A bad or late record is data, not an error that stops
 * anything: it becomes a dead letter or a late record. Broken assumptions inside millrace are assertions
 * (`assert.ts`), not errors.
 *
 * | class | what happens next |
 * | --- | --- |
 * | `TopologyError`, `ConfigError` | refuse to start; all problems in one message |
 * | `StateMismatchError` | refuse to start; the state on disk or in the log belongs to something else |
 * | `RetriableError` | wait and try the same again, bounded |
 * | `AbortableError` | abort the transaction, start the worker's tasks again from what is committed |
 * | `UnknownOutcomeError` | discard the producer, read the commit log, go on from there; never guess |
 * | `FencedError` | somebody else owns the tasks: drop them and their memory, write nothing, join again |
 * | `CorruptedStateError` | wipe that task's local state and restore it from the changelog |
 * | `FatalError` | stop the application with this error |
 * | `RecordError` | one record failed: the stage's error policy decides |
 */
export class MillraceError extends Error {
  /** Stable name of what happened, in capitals. */
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** Several problems found at once, each a line of the message. */
abstract class ProblemListError extends MillraceError {
  readonly problems: readonly string[]

  constructor(code: string, headline: string, problems: readonly string[]) {
    super(code, `${headline}\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/** The topology cannot run as it is. Nothing was started. */
export class TopologyError extends ProblemListError {
  constructor(problems: readonly string[]) {
    super('TOPOLOGY_INVALID', 'The topology is not valid:', problems)
  }
}

/** The configuration cannot be used. Nothing was started. */
export class ConfigError extends ProblemListError {
  constructor(problems: readonly string[]) {
    super('CONFIG_INVALID', 'The configuration is not valid:', problems)
  }
}

/** State, commit log or topics belong to another topology, window, grace or partition count. Nothing was touched. */
export class StateMismatchError extends ProblemListError {
  constructor(headline: string, problems: readonly string[]) {
    super('STATE_MISMATCH', headline, problems)
  }
}

/** The same call can succeed later: an unreachable log, a coordinator that is loading, an unstable offset. */
export class RetriableError extends MillraceError {}

/** The open transaction cannot be committed; aborting it and working the records again helps. */
export class AbortableError extends MillraceError {}

/** Nobody knows whether the transaction was committed. */
export class UnknownOutcomeError extends MillraceError {}

/** A newer owner exists: of the transactional id, of the group's generation, or of the member id. */
export class FencedError extends MillraceError {}

/** Local state is damaged, or its checkpoint does not fit the log. */
export class CorruptedStateError extends MillraceError {}

/** Nothing sensible can be done by the application itself. */
export class FatalError extends MillraceError {}

/** Why one record could not be worked. */
export class RecordError extends MillraceError {}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The code of anything that was thrown: a millrace code, a system code such as `ENOSPC`, else `fallback`. */
export function codeOf(thrown: unknown, fallback: string): string {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown) {
    const { code } = thrown
    if (typeof code === 'string' && code !== '') return code
  }
  return fallback
}
