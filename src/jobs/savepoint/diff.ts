/** Compares the stores of two savepoints, entry by entry. */
import { ChunkReader } from '../../state/chunk.ts'
import { readContainerFile, type StoredEntry } from './container-file.ts'
import type { SavepointFile } from './manifest.ts'
import type { Savepoint } from './savepoint-folder.ts'

/** An entry that is not the same in both. At least one of `a` and `b` is there. */
export interface EntryDifference {
  readonly task: string
  readonly store: string
  /** As `StoredEntry`; of a store whose entries expire, the entry's own key. */
  readonly key: Buffer
  readonly a: StoredEntry | undefined
  readonly b: StoredEntry | undefined
}

/**
 * All differences, ordered by task, store and key. Memory is bounded, but for stores whose entries expire: these lie in
 * chunks that differ from run to run, so their entries are compared, all of one store of one task at a time.
 */
export async function* diffSavepoints(a: Savepoint, b: Savepoint): AsyncIterable<EntryDifference> {
  const places = new Map(
    [...storesOf(a), ...storesOf(b)].map(({ task, name }) => [`${task} ${name}`, { task, name }] as const),
  )
  for (const [, { task, name }] of [...places].sort(([one], [other]) => (one < other ? -1 : 1))) {
    for await (const { key, left, right } of merge(entriesOf(a, task, name), entriesOf(b, task, name))) {
      if (left !== undefined && right !== undefined && isSame(left, right)) continue
      yield { task, store: name, key, a: left, b: right }
    }
  }
}

function storesOf({ manifest }: Savepoint): readonly SavepointFile[] {
  return manifest.files.filter(({ kind }) => kind === 'store')
}

async function* entriesOf(
  savepoint: Savepoint,
  task: string,
  store: string,
): AsyncGenerator<StoredEntry, void, undefined> {
  const file = storesOf(savepoint).find((one) => one.task === task && one.name === store)
  if (file === undefined) return
  const entries = readContainerFile(savepoint.folder, { file: file.file, kind: 'store' })
  const expires = savepoint.manifest.fingerprint[`store ${store}, ttl (ms)`] !== undefined
  yield* expires ? await entriesOfChunks(entries) : entries
}

/** What stands in the chunks: of a key that stands in several, the latest chunk counts, as its number says. */
async function entriesOfChunks(chunks: AsyncIterable<StoredEntry>): Promise<readonly StoredEntry[]> {
  const newest = new Map<string, { readonly sequence: bigint; readonly entry: StoredEntry | undefined }>()
  for await (const { key: chunkKey, value } of chunks) {
    const sequence = chunkKey.readBigUInt64BE(8)
    const reader = new ChunkReader(value, 0)
    while (reader.next()) {
      const text = value.toString('latin1', reader.keyStart, reader.keyEnd)
      if ((newest.get(text)?.sequence ?? -1n) > sequence) continue
      const isDeleted = reader.valueEnd < 0
      const entry = {
        key: value.subarray(reader.keyStart, reader.keyEnd),
        value: isDeleted ? Buffer.alloc(0) : value.subarray(reader.valueStart, reader.valueEnd),
        timestamp: reader.timestampMs,
      }
      newest.set(text, { sequence, entry: isDeleted ? undefined : entry })
    }
  }
  const entries = [...newest.values()].flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  return entries.sort((one, other) => Buffer.compare(one.key, other.key))
}

interface Pair {
  readonly key: Buffer
  readonly left: StoredEntry | undefined
  readonly right: StoredEntry | undefined
}

/** Both are in the order of their keys. */
async function* merge(
  a: AsyncGenerator<StoredEntry, void, undefined>,
  b: AsyncGenerator<StoredEntry, void, undefined>,
): AsyncIterable<Pair> {
  const next = async (of: AsyncGenerator<StoredEntry, void, undefined>): Promise<StoredEntry | undefined> =>
    (await of.next()).value ?? undefined
  try {
    let [left, right] = [await next(a), await next(b)]
    while (left !== undefined || right !== undefined) {
      const order = left === undefined ? 1 : right === undefined ? -1 : Buffer.compare(left.key, right.key)
      yield {
        key: (order <= 0 ? left : right)!.key,
        left: order <= 0 ? left : undefined,
        right: order >= 0 ? right : undefined,
      }
      if (order <= 0) left = await next(a)
      if (order >= 0) right = await next(b)
    }
  } finally {
    await a.return()
    await b.return()
  }
}

function isSame(a: StoredEntry, b: StoredEntry): boolean {
  return a.timestamp === b.timestamp && a.value.equals(b.value)
}
