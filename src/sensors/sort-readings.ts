/** Readings in the order of event time, however many. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isBadLine, readLines, type TextLine } from './line-reader.ts'
import type { ReadingLine } from './line-readings.ts'
import { mergeByEventTime } from './merge-readings.ts'
import type { FileEntry } from './reading-files.ts'

/** How to sort. */
export interface SortOptions {
  /** Readings sorted in memory at once, about 1 KB each. Default 250,000. */
  readonly inMemory?: number
  /** Folder for sorted parts when there are more readings. Default: the system's for temporary files. */
  readonly temporaryFolder?: string
}

type SortedEntry = ReadingLine & { readonly file: string }

const DEFAULT_IN_MEMORY = 250_000
const BATCH_SIZE = 1024

/**
 * Sorts by event time; readings of equal time keep their order. Bad lines, which have no time, come at once,
 * before all readings. What does not fit into memory is sorted in parts, written to files and merged; the
 * files are removed when the iteration ends, however it ends.
 */
export async function* sortByEventTime(
  batches: AsyncIterable<readonly FileEntry[]>,
  options: SortOptions = {},
): AsyncGenerator<readonly FileEntry[]> {
  const inMemory = options.inMemory ?? DEFAULT_IN_MEMORY
  const parts = new SortedParts(options.temporaryFolder ?? tmpdir())
  try {
    let held: SortedEntry[] = []
    for await (const batch of batches) {
      const bad = batch.filter(isBadLine)
      if (bad.length > 0) yield bad
      for (const entry of batch) {
        if (isBadLine(entry)) continue
        held.push(entry)
        if (held.length < inMemory) continue
        await parts.write(sorted(held))
        held = []
      }
    }
    yield* parts.mergedWith(sorted(held))
  } finally {
    await parts.remove()
  }
}

function sorted(entries: SortedEntry[]): readonly SortedEntry[] {
  return entries.sort((a, b) => a.reading.timestamp - b.reading.timestamp)
}

/** Sorted parts in files, one JSON line an entry. */
class SortedParts {
  readonly #parentFolder: string
  readonly #paths: string[] = []
  #folder: string | null = null

  constructor(parentFolder: string) {
    this.#parentFolder = parentFolder
  }

  async write(entries: readonly SortedEntry[]): Promise<void> {
    this.#folder ??= await mkdtemp(join(this.#parentFolder, 'millrace-sort-'))
    const path = join(this.#folder, String(this.#paths.length))
    this.#paths.push(path)
    const file = await open(path, 'wx', 0o600)
    try {
      for (const batch of inBatches(entries)) {
        await file.appendFile(batch.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
      }
    } finally {
      await file.close()
    }
  }

  /** All parts and `last`, which came after them, in order. */
  async *mergedWith(last: readonly SortedEntry[]): AsyncGenerator<readonly FileEntry[]> {
    if (this.#paths.length === 0) yield* inBatches(last)
    else yield* mergeByEventTime([...this.#paths.map(readPart), asStream(last)])
  }

  async remove(): Promise<void> {
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true })
  }
}

function* inBatches(entries: readonly SortedEntry[]): Generator<readonly SortedEntry[]> {
  for (let at = 0; at < entries.length; at += BATCH_SIZE) yield entries.slice(at, at + BATCH_SIZE)
}

async function* asStream(entries: readonly SortedEntry[]): AsyncGenerator<readonly FileEntry[]> {
  yield* inBatches(entries)
}

async function* readPart(path: string): AsyncGenerator<readonly FileEntry[]> {
  for await (const lines of readLines(path)) {
    yield lines.map((line) => JSON.parse((line as TextLine).text) as SortedEntry)
  }
}
