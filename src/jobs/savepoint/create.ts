/**
 * Takes a savepoint of an application, running or not. It is held meanwhile, so that the newest commits of all tasks
 * are one cut through it; everything is read from the log.
 *
 * What lives in `jobs/savepoint/`: taking, checking, comparing savepoints, and going back to one. What never does: the
 * path of a record, the command line.
 */
import type { Clock } from '../../clock.ts'
import { FatalError } from '../../errors.ts'
import type { Log } from '../../log/log.ts'
import { RecordCursor } from '../../log/record-cursor.ts'
import { replayChangelog } from '../../runtime/changelog-replay.ts'
import { whilePaused, type PausedApplication } from '../../runtime/pause.ts'
import type { StateBackend, StateDirectory } from '../../state/backend.ts'
import { unseal } from '../../state/envelope.ts'
import { splitBackendKey } from '../../state/managed-store.ts'
import { writeContainerFile, type HeldRecord, type StoredEntry } from './container-file.ts'
import { changelogAt, confirmCut, readCut, type Cut, type CutInput, type CutTask } from './cut.ts'
import type { SavepointFile, SavepointInput } from './manifest.ts'
import { nameFromTime, SavepointDraft, type Savepoint } from './savepoint-folder.ts'

/** What to take, and with what. */
export interface CreateSpec {
  readonly log: Log
  readonly clock: Clock
  readonly applicationId: string
  /** Folder of the savepoints of all applications. */
  readonly root: string
  /** Default: the time, as `nameFromTime` writes it. */
  readonly name?: string
  /** Has the instances end when the savepoint is complete. */
  readonly stop?: boolean
  /** A place for work in between, in a folder that is empty and the savepoint's own; it is closed afterwards. */
  readonly openScratch: (folder: string) => Promise<StateDirectory>
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  /** Told as it goes; what it throws ends the creation, and nothing is kept. */
  readonly onProgress?: (progress: CreateProgress) => void
}

/** How far a creation is. */
export interface CreateProgress {
  /** What is being read: a task's store or its held records. */
  readonly reading: string
  /** Offsets read of this one, of so many. */
  readonly done: number
  readonly total: number
}

const POLL_MS = 200

/**
 * Takes a savepoint; when it resolves it is on the disk. `FatalError` as `readCut`, `SavepointDraft.begin`,
 * `whilePaused` and `confirmCut` say; nothing is kept then. A kill leaves a folder that is no savepoint.
 */
export async function createSavepoint(spec: CreateSpec): Promise<Savepoint> {
  const { root, applicationId, clock } = spec
  const name = spec.name ?? nameFromTime(clock.now())
  await refuseUnknown(spec)
  const draft = await SavepointDraft.begin({ root, applicationId, name })
  try {
    const savepoint = await whilePaused(spec, async (paused) => {
      const taken = await takeSnapshot(spec, draft, name, paused)
      if (spec.stop === true) await paused.stopAll()
      return taken
    })
    await draft.release()
    return savepoint
  } catch (error) {
    await draft.abandon()
    throw error
  }
}

/** Before anything is written and anybody is disturbed. */
async function refuseUnknown({ log, applicationId }: CreateSpec): Promise<void> {
  const topics = await log.listTopics()
  if (topics.includes(`${applicationId}-commits-0`) || topics.includes(`${applicationId}-incarnations`))
    return
  throw new FatalError('APPLICATION_UNKNOWN', `There is no application ${applicationId}: it has never run.`)
}

async function takeSnapshot(
  spec: CreateSpec,
  draft: SavepointDraft,
  name: string,
  paused: PausedApplication,
): Promise<Savepoint> {
  const { log, clock, applicationId } = spec
  const createdAt = new Date(clock.now()).toISOString()
  const cut = await readCut(log, clock, applicationId)
  const files: SavepointFile[] = []
  const scratch = await spec.openScratch(await draft.scratchFolder())
  try {
    for (const task of cut.tasks) {
      for (const store of Object.keys(task.entry.changelogs)) {
        paused.check()
        files.push(await snapshotStore(spec, draft.folder, scratch, cut, task, store))
      }
      for (const input of task.inputs.filter(({ isRepartition }) => isRepartition)) {
        paused.check()
        files.push(await snapshotHeld(spec, draft.folder, task, input))
      }
    }
  } finally {
    await scratch.close()
    await draft.removeScratch()
  }
  paused.check()
  await confirmCut(log, cut)
  return draft.finish({
    application: applicationId,
    name,
    incarnation: cut.incarnation,
    createdAt,
    fingerprint: cut.fingerprint,
    inputs: cut.tasks.flatMap(inputsAt),
    run: cut.run ?? null,
    tasks: cut.tasks.map(({ task, entry }) => ({ task, entry })),
    files,
  })
}

function inputsAt({ task, entry, inputs }: CutTask): readonly SavepointInput[] {
  return inputs.map(({ input, isRepartition, partition, topicId, offset }) => {
    const through = entry.channels.filter(({ channel }) =>
      isRepartition ? channel.endsWith(` in ${input}`) : channel === `${input}/${partition}`,
    )
    const watermarkMs = Math.min(...through.map((channel) => channel.watermarkMs))
    return { task, topic: input, isRepartition, partition, topicId, offset: String(offset), watermarkMs }
  })
}

/** The newest value of each key, gathered on the disk: a store may be larger than memory. */
async function snapshotStore(
  spec: CreateSpec,
  folder: string,
  scratch: StateDirectory,
  cut: Cut,
  task: CutTask,
  store: string,
): Promise<SavepointFile> {
  const reading = `${task.task}/${store}`
  const { partition, start, end } = await changelogAt(spec.log, cut, task, store)
  const backend = await scratch.open(task.task)
  try {
    const total = Number(end - start)
    spec.onProgress?.({ reading, done: 0, total })
    await replayChangelog({
      log: spec.log,
      backend,
      changelog: partition,
      store,
      from: start,
      end,
      checkpointAt: () => Buffer.from('{}'),
      onWritten: (position) => spec.onProgress?.({ reading, done: Number(position - start), total }),
    })
    const file = `store-${task.task}-${store}.avro`
    const head = { file, kind: 'store', task: task.task, name: store } as const
    return await writeContainerFile(folder, head, storedEntries(backend))
  } finally {
    await backend.close()
    await scratch.wipe(task.task)
  }
}

async function* storedEntries(backend: StateBackend): AsyncIterable<StoredEntry> {
  for await (const page of backend.scan()) {
    for (const [backendKey, sealed] of page) {
      const { timestampMs, buffer, start } = unseal(backendKey, sealed)
      yield {
        key: splitBackendKey(backendKey)!.key,
        value: buffer.subarray(start),
        timestamp: timestampMs,
      }
    }
  }
}

async function snapshotHeld(
  spec: CreateSpec,
  folder: string,
  { task }: CutTask,
  input: CutInput,
): Promise<SavepointFile> {
  const file = `held-${task}-${input.input}.avro`
  const head = { file, kind: 'held', task, name: input.input } as const
  return writeContainerFile(folder, head, heldRecords(spec, `${task}/${input.input}`, input))
}

async function* heldRecords(
  { log, onProgress }: CreateSpec,
  reading: string,
  input: CutInput,
): AsyncIterable<HeldRecord> {
  const { offset: from, end } = input
  const total = Number(end - from)
  if (from >= end) return
  const reader = log.reader()
  try {
    reader.assign(input, from)
    const cursor = new RecordCursor()
    for (let position = from; position < end;) {
      const { chunks, failures } = await reader.poll(POLL_MS)
      const [failure] = failures
      if (failure !== undefined) throw failure.error
      for (const { batches, nextOffset } of chunks) {
        cursor.reset(batches)
        while (cursor.next() && cursor.offset < end) yield heldRecordAt(cursor)
        position = nextOffset
      }
      onProgress?.({ reading, done: Math.min(total, Number(position - from)), total })
    }
  } finally {
    await reader.close()
  }
}

/** A copy: the reader uses its memory again. */
function heldRecordAt(cursor: RecordCursor): HeldRecord {
  return {
    offset: cursor.offsetNumber,
    key: copyOf(cursor.key()),
    value: copyOf(cursor.value()),
    timestamp: cursor.timestampMs,
    headers: cursor.headers().map(({ key, value }) => ({ key, value: copyOf(value) })),
  }
}

function copyOf(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}
