/** Reads the commit log: the newest entries of a task, found backward from the end, and the history. */
import type { Log, LogReader, Offset, TopicPartition } from '../log/log.ts'
import { RecordCursor } from '../log/record-cursor.ts'
import { COMMIT_KEYS, decodeEntry, type CommitEntry, type OwnerEntry } from './commit-entry.ts'
import { FatalError } from '../errors.ts'

/** The newest of each kind. */
export interface NewestEntries {
  readonly latest: CommitEntry | undefined
  /** When `latest` was written, by its writer's wall clock; 0 for the first entry of a task. */
  readonly latestAtMs: number
  readonly owner: OwnerEntry | undefined
}

/** How far back a first look goes; doubled until what is wanted is found. */
const FIRST_STEP = 64n
const POLL_MS = 200

/** Calls `take` for each committed record in `[from, to)`; ends when the position has reached `to`. */
export async function readRange(
  log: Log,
  partition: TopicPartition,
  from: Offset,
  to: Offset,
  take: (cursor: RecordCursor) => void,
): Promise<void> {
  if (from >= to) return
  const reader = log.reader()
  try {
    reader.assign(partition, from)
    const cursor = new RecordCursor()
    for (let position = from; position < to;) position = await takeChunk(reader, cursor, position, to, take)
  } finally {
    await reader.close()
  }
}

async function takeChunk(
  reader: LogReader,
  cursor: RecordCursor,
  position: Offset,
  to: Offset,
  take: (cursor: RecordCursor) => void,
): Promise<Offset> {
  const { chunks, failures } = await reader.poll(POLL_MS)
  const [failure] = failures
  if (failure !== undefined) throw failure.error
  let next = position
  for (const chunk of chunks) {
    cursor.reset(chunk.batches)
    while (cursor.next()) {
      if (cursor.offset < to) take(cursor)
    }
    next = chunk.nextOffset
  }
  return next
}

/**
 * The newest `latest` and `owner` entries of a task below `to`, reading committed and waiting until the position has
 * reached `to`.
 */
export async function readNewest(log: Log, partition: TopicPartition, to: Offset): Promise<NewestEntries> {
  const [start] = await log.offsets('start', [partition])
  const where = `${partition.topic}/${partition.partition}`
  for (let step = FIRST_STEP; ; step *= 8n) {
    const from = to - step > start! ? to - step : start!
    const found = await scanNewest(log, partition, from, to, where)
    const complete = found.latest !== undefined && found.owner !== undefined
    if (complete || from === start) return found
  }
}

async function scanNewest(
  log: Log,
  partition: TopicPartition,
  from: Offset,
  to: Offset,
  where: string,
): Promise<NewestEntries> {
  let latest: Buffer | undefined
  let latestAtMs = 0
  let owner: Buffer | undefined
  await readRange(log, partition, from, to, (cursor) => {
    const key = cursor.key()?.toString('utf8')
    if (key === COMMIT_KEYS.latest) {
      latest = cursor.value() ?? undefined
      latestAtMs = cursor.timestampMs
    }
    if (key === COMMIT_KEYS.owner) owner = cursor.value() ?? undefined
  })
  return {
    latest: latest === undefined ? undefined : decodeEntry<CommitEntry>(latest, where),
    latestAtMs,
    owner: owner === undefined ? undefined : decodeEntry<OwnerEntry>(owner, where),
  }
}

/** Every kept commit of a task, oldest first: the recorded decisions are in these. */
export async function readHistory(log: Log, partition: TopicPartition): Promise<readonly CommitEntry[]> {
  const [start] = await log.offsets('start', [partition])
  const [stable] = await log.offsets('stable', [partition])
  if (start === undefined || stable === undefined)
    throw new FatalError('TOPIC_UNKNOWN', `no ${partition.topic}`)
  const entries = new Map<string, CommitEntry>()
  await readRange(log, partition, start, stable, (cursor) => {
    const key = cursor.key()?.toString('utf8') ?? ''
    const value = cursor.value()
    if (!key.startsWith('history/') || value === null) return
    entries.set(key, decodeEntry<CommitEntry>(value, `${partition.topic}/${partition.partition}`))
  })
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry)
}
