/**
 * What a commit of one task writes into the commit log: everything that has to change together with its outputs and
 * its state, except the state itself, which the changelogs hold. Positions come from here, not from the group.
 */
import { FatalError, messageOf } from '../errors.ts'
import type { Decision } from '../time/decisions.ts'
import type { Fingerprint } from '../topology/fingerprint.ts'
import type { Counts } from './counters.ts'
import type { ClosingState } from './window-closer.ts'

/** A channel's part. */
export interface ChannelState {
  /** Names the channel, as `channelKey` does. */
  readonly channel: string
  readonly watermarkMs: number
  /** Next position in the origin. */
  readonly position: number
  /** Behind a repartition: items of the channel below this offset of the partition have been taken; else 0. */
  readonly takenThrough: number
  /** Behind a repartition: more may come of the source record of the record taken last. */
  readonly withinSource: boolean
  /** Behind a repartition: the last bounded run whose end its sender has told; 0 for none. */
  readonly endedRun: number
  readonly endedWithFlush: boolean
  /** Left out by a recorded decision. */
  readonly idle: boolean
}

/** Where a store's changelog stood after the commit. */
export interface ChangelogPosition {
  readonly topicId: string
  /** Next offset behind the commit's entries. */
  readonly offset: string
}

export interface CommitEntry {
  readonly formatVersion: 1
  /** Counts the task's commits from 1. */
  readonly commitId: number
  /** Next offset to read, by input (source topic or repartition topic). */
  readonly offsets: Readonly<Record<string, string>>
  readonly channels: readonly ChannelState[]
  /** Time of the inputs through which windows have closed. */
  readonly closedThroughMs: number
  /** Windowed operators by stage name. */
  readonly operators: Readonly<Record<string, ClosingState>>
  /** Stores by name. */
  readonly changelogs: Readonly<Record<string, ChangelogPosition>>
  readonly counts: Counts
  /** The last bounded run that this task has finished; 0 for none. */
  readonly finishedRun: number
  /** In a replay: how many recorded decisions have been applied. */
  readonly replayedDecisions: number
  /** Decisions that took effect in this commit. */
  readonly decisions: readonly Decision[]
}

/** What a task's owner writes when it starts: whom a successor has to fence, and what the task belongs to. */
export interface OwnerEntry {
  readonly formatVersion: 1
  readonly transactionalId: string
  readonly instance: string
  readonly fingerprint: Fingerprint
}

/** Keys of the commit log. */
export const COMMIT_KEYS = {
  latest: 'latest',
  owner: 'owner',
  /** In partition 0 of sub-topology 0 only: the bounded run under way or done last. */
  run: 'run',
  /** Kept for ever: one a minute, and one for each commit with decisions. */
  history: (commitId: number) => `history/${String(commitId).padStart(15, '0')}`,
} as const

/** Texts that begin so stand for what JSON has no form of; a text that begins so itself has it twice. */
const ESCAPE = '$'
const MINUS_INFINITY = '$-Infinity'
const INFINITY = '$Infinity'
const BIGINT = /^\$(-?\d+)n$/

/** Canonical JSON; bigints and infinities as marked texts. */
export function encodeEntry(entry: object): string {
  return JSON.stringify(entry, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${ESCAPE}${value}n`
    if (value === -Infinity) return MINUS_INFINITY
    if (value === Infinity) return INFINITY
    return typeof value === 'string' && value.startsWith(ESCAPE) ? ESCAPE + value : value
  })
}

/** Reads what `encodeEntry` wrote. `FatalError` `COMMIT_LOG_UNREADABLE` for anything else, or a newer format. */
export function decodeEntry<T extends { readonly formatVersion: 1 }>(bytes: Buffer, where: string): T {
  let entry: unknown
  try {
    entry = parseEncoded(bytes.toString('utf8'))
  } catch (error) {
    throw new FatalError(
      'COMMIT_LOG_UNREADABLE',
      `an entry in ${where} is not readable: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
  const version = (entry as { formatVersion?: unknown } | null)?.formatVersion
  if (version !== 1) {
    throw new FatalError(
      'COMMIT_LOG_UNREADABLE',
      `an entry in ${where} has format version ${String(version)}; this version of millrace reads 1`,
    )
  }
  return entry as T
}

/** Reads the text of an object that `encodeEntry` wrote, whatever it is. `SyntaxError` for what is no JSON. */
export function parseEncoded(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    return typeof value === 'string' && value.startsWith(ESCAPE) ? unescaped(value) : value
  })
}

function unescaped(text: string): unknown {
  if (text === MINUS_INFINITY) return -Infinity
  if (text === INFINITY) return Infinity
  const digits = BIGINT.exec(text)?.[1]
  if (digits !== undefined) return BigInt(digits)
  return text.slice(ESCAPE.length)
}
