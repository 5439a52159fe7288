/** What local state says of itself: written with every flush, in the same atomic write. */
import { CorruptedStateError, messageOf } from '../errors.ts'
import type { Fingerprint } from '../topology/fingerprint.ts'
import type { ChangelogPosition } from './commit-entry.ts'

export interface Checkpoint {
  readonly formatVersion: 1
  /** The newest commit that is contained. */
  readonly commitId: number
  /** Changelog positions after that commit, by store. */
  readonly changelogs: Readonly<Record<string, ChangelogPosition>>
  /** What the state belongs to. */
  readonly fingerprint: Fingerprint
  /** When it was written, epoch milliseconds by the wall clock: a checkpoint can be too old to catch up from. */
  readonly writtenAtMs: number
}

export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  return Buffer.from(JSON.stringify(checkpoint))
}

/** `CorruptedStateError` `STATE_DAMAGED` when it cannot be read. */
export function decodeCheckpoint(bytes: Buffer): Checkpoint {
  try {
    const checkpoint = JSON.parse(bytes.toString('utf8')) as Checkpoint
    if (checkpoint.formatVersion === 1) return checkpoint
  } catch (error) {
    throw new CorruptedStateError('STATE_DAMAGED', `the checkpoint is not readable: ${messageOf(error)}`)
  }
  throw new CorruptedStateError('STATE_DAMAGED', 'the checkpoint has another format')
}
