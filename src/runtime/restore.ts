/**
 * Brings the local state of a task up to its changelogs.
 *
 * Restoring begins where the checkpoint stands, or with nothing where there is none or it cannot be used, and ends when
 * the position has reached the high watermark that was taken after the former owner was fenced. What has been restored
 * is written with a checkpoint of its own as it goes, so that an interrupted restore goes on where it was.
 */
import type { Clock } from '../clock.ts'
import { CorruptedStateError, StateMismatchError } from '../errors.ts'
import type { Log, Offset, TopicDescription, TopicPartition } from '../log/log.ts'
import type { StateBackend, StateDirectory } from '../state/backend.ts'
import { differencesBetween, type Fingerprint } from '../topology/fingerprint.ts'
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from './checkpoint.ts'
import { replayChangelog } from './changelog-replay.ts'
import type { ChangelogPosition, CommitEntry } from './commit-entry.ts'

/** A store's changelog as a restore sees it. */
export interface Changelog extends TopicPartition {
  readonly store: string
  readonly description: TopicDescription
  readonly start: Offset
  /** High watermark to be reached. */
  readonly end: Offset
}

export interface RestoreSpec {
  readonly log: Log
  readonly clock: Clock
  readonly directory: StateDirectory
  readonly task: string
  readonly changelogs: readonly Changelog[]
  /** The newest commit of the task. */
  readonly latest: CommitEntry | undefined
  readonly fingerprint: Fingerprint
  readonly onProgress: (progress: RestoreProgress) => void
}

/** What opening the state takes. */
export type OpenStateSpec = Omit<RestoreSpec, 'log' | 'onProgress'>

/** How far a restore is; offsets, so compacted and aborted ones count as done when they are passed. */
export interface RestoreProgress {
  readonly store: string
  readonly restored: bigint
  readonly total: bigint
}

export interface RestoredState {
  readonly backend: StateBackend
  /** Changelog records applied. */
  readonly replayed: number
  /** Why the state on disk was removed first; `undefined` when it was not. */
  readonly wipedBecause: string | undefined
  /** Changelog positions that the state stands at. */
  readonly positions: Readonly<Record<string, ChangelogPosition>>
}

/** In place of a commit's number, in checkpoints on the way; a task's first commit may be number 0. */
export const BETWEEN_COMMITS = -1

/** Opens the state and restores it. `StateMismatchError` when it belongs to something else. */
export async function restoreState(spec: RestoreSpec): Promise<RestoredState> {
  const opened = await openState(spec)
  try {
    return await restoreOpened(spec, opened)
  } catch (error) {
    await opened.backend.close()
    throw error
  }
}

async function restoreOpened(spec: RestoreSpec, opened: OpenedState): Promise<RestoredState> {
  const restored = new Map(opened.positions)
  let replayed = 0
  for (const changelog of spec.changelogs) {
    replayed += await restoreStore(spec, opened.backend, changelog, restored)
  }
  // Behind the last commit's entries there are only markers and aborted records, so its own positions say the same as
  // the ends that were reached; the checkpoint of a commit always has these.
  const positions = { ...Object.fromEntries(restored), ...spec.latest?.changelogs }
  const commitId = spec.latest?.commitId ?? 0
  if (replayed > 0 || opened.checkpoint?.commitId !== commitId) {
    await opened.backend.write([], checkpointOf(spec, commitId, positions))
  }
  return { backend: opened.backend, replayed, wipedBecause: opened.wipedBecause, positions }
}

/** State that the changelogs can be applied to. */
export interface OpenedState {
  readonly backend: StateBackend
  readonly checkpoint: Checkpoint | undefined
  /** Why what was on disk was removed first; `undefined` when it was not. */
  readonly wipedBecause: string | undefined
  /** Where the state stands in the changelog of each store. */
  readonly positions: ReadonlyMap<string, ChangelogPosition>
}

/** Opens the state as it is on disk, empty where that is of no use. `StateMismatchError` as of `restoreState`. */
export async function openState(spec: OpenStateSpec): Promise<OpenedState> {
  refuseForeignChangelogs(spec)
  const opened = await openUsable(spec)
  const positions = new Map<string, ChangelogPosition>()
  for (const { store, description, start } of spec.changelogs) {
    const from = opened.checkpoint?.changelogs[store]?.offset ?? String(start)
    positions.set(store, { topicId: description.topicId, offset: from })
  }
  return { ...opened, positions }
}

async function openUsable(spec: OpenStateSpec): Promise<Omit<OpenedState, 'positions'>> {
  let wipedBecause: string | undefined
  try {
    const backend = await spec.directory.open(spec.task)
    try {
      const stored = backend.checkpoint()
      const checkpoint = stored === undefined ? undefined : decodeCheckpoint(stored)
      if (checkpoint !== undefined) refuseForeign(spec, checkpoint)
      wipedBecause = checkpoint === undefined ? undefined : whyUnusable(spec, checkpoint)
      if (wipedBecause === undefined) return { backend, checkpoint, wipedBecause }
      await backend.close()
    } catch (error) {
      await backend.close()
      throw error
    }
  } catch (error) {
    if (!(error instanceof CorruptedStateError)) throw error
    wipedBecause = error.message
  }
  await spec.directory.wipe(spec.task)
  return { backend: await spec.directory.open(spec.task), checkpoint: undefined, wipedBecause }
}

function refuseForeignChangelogs({ task, changelogs, latest }: OpenStateSpec): void {
  const problems: string[] = []
  for (const { topic, store, description, end } of changelogs) {
    const known = latest?.changelogs[store]
    if (known === undefined) continue
    if (known.topicId !== description.topicId) problems.push(`${topic} was deleted and made anew`)
    else if (BigInt(known.offset) > end)
      problems.push(`${topic} ends at ${end}, before offset ${known.offset}`)
  }
  if (problems.length === 0) return
  throw new StateMismatchError(`The changelogs of task ${task} are not those of its last commit:`, problems)
}

function refuseForeign(spec: OpenStateSpec, checkpoint: Checkpoint): void {
  const differences = differencesBetween(checkpoint.fingerprint, spec.fingerprint)
  if (differences.length > 0) {
    throw new StateMismatchError(
      `The state of task ${spec.task} in ${spec.directory.location} was written by another topology:`,
      differences,
    )
  }
  if (spec.latest === undefined && checkpoint.commitId > 0) {
    throw new StateMismatchError(
      `The state of task ${spec.task} in ${spec.directory.location} does not fit the log:`,
      [
        `it contains commit ${checkpoint.commitId}, and the commit log has none: was the log deleted or exchanged?`,
      ],
    )
  }
}

/** Why state that belongs here cannot be caught up; `undefined` when it can. */
function whyUnusable(spec: OpenStateSpec, checkpoint: Checkpoint): string | undefined {
  const { latest, clock } = spec
  if (latest !== undefined && checkpoint.commitId > latest.commitId) {
    return `its checkpoint (commit ${checkpoint.commitId}) lies beyond the newest commit (${latest.commitId})`
  }
  for (const { store, description, start, end } of spec.changelogs) {
    const position = checkpoint.changelogs[store]
    if (position === undefined) return `its checkpoint does not know store ${store}`
    if (position.topicId !== description.topicId)
      return `the changelog of store ${store} is another topic now`
    const offset = BigInt(position.offset)
    if (offset > end) return `its checkpoint lies beyond the changelog of store ${store}`
    if (offset < start) return `the changelog of store ${store} begins behind its checkpoint`
    const known = latest?.changelogs[store]
    if (latest?.commitId === checkpoint.commitId && known !== undefined && known.offset !== position.offset) {
      return `its checkpoint has commit ${latest.commitId} at another offset of the changelog of store ${store}`
    }
    const ageMs = clock.now() - checkpoint.writtenAtMs
    if (offset < end && ageMs > description.settings.deleteRetentionMs) {
      return `its checkpoint is ${ageMs} ms old, and tombstones since may be gone`
    }
  }
  return undefined
}

async function restoreStore(
  spec: RestoreSpec,
  backend: StateBackend,
  changelog: Changelog,
  restored: Map<string, ChangelogPosition>,
): Promise<number> {
  const { store, description, end } = changelog
  const from = BigInt(restored.get(store)!.offset)
  return replayChangelog({
    log: spec.log,
    backend,
    changelog,
    store,
    from,
    end,
    checkpointAt(position) {
      restored.set(store, { topicId: description.topicId, offset: String(position) })
      return checkpointOf(spec, BETWEEN_COMMITS, Object.fromEntries(restored))
    },
    onWritten: (position) => spec.onProgress({ store, restored: position - from, total: end - from }),
  })
}

/** The checkpoint of state that stands at these positions. */
export function checkpointOf(
  { fingerprint, clock }: Pick<RestoreSpec, 'fingerprint' | 'clock'>,
  commitId: number,
  changelogs: Checkpoint['changelogs'],
): Buffer {
  return encodeCheckpoint({ formatVersion: 1, commitId, changelogs, fingerprint, writtenAtMs: clock.now() })
}
