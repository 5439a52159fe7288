/** Brings files into a topic, each line once, over kills and repeats. */
import { sleep, type Clock, type Random } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { FileOrder, type MisplacedSensor } from '../sensors/file-order.ts'
import { isBadLine, type BadLine } from '../sensors/line-reader.ts'
import type { Serde } from '../serde/serde.ts'
import type { Reading } from '../sensors/reading.ts'
import type { FileEntry, ReadingFileOptions } from '../sensors/reading-files.ts'
import { checkUnchanged, identifyFiles, openFiles, type ImportFile } from './import-files.ts'
import { ImportRecords } from './import-records.ts'
import { mayPass, RecordedWriter } from './recorded-writer.ts'

/** What is to be imported, and how. */
export interface ImportSpec {
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** Ends the import behind the transaction under way. */
  readonly signal: AbortSignal
  readonly files: readonly string[]
  readonly topic: string
  /** How readings are written. */
  readonly reading: Serde<Reading>
  /** Of the topic where it is made; 4 where not given. */
  readonly partitions: number | undefined
  readonly options: ReadingFileOptions
  readonly sort: boolean
  /** Whether files that are already imported are imported once more. */
  readonly again: boolean
  readonly listener: ImportListener
}

/** Hears how it goes. */
export interface ImportListener {
  /** Reading the files to know them, `bytes` of `total`. */
  onIdentify(bytes: number, total: number): void
  /** Importing; `readings` of this call so far. */
  onProgress(bytes: number, total: number, readings: number): void
  onBadLine(line: BadLine & { readonly file: string }): void
  /** The order of the files makes whole sensors late; told once. */
  onMisplaced(sensors: readonly MisplacedSensor[]): void
  /** Something that passes by itself interrupts the work. */
  onRetry(reason: string): void
}

/** What became of a file. */
export interface FileOutcome {
  readonly file: string
  /** `continued`: an earlier import had begun it. `same`: has the content of another file of this call. */
  readonly state: 'imported' | 'continued' | 'already-imported' | 'interrupted' | 'same'
  /** Of this call. */
  readonly readings: number
  readonly badLines: number
}

/** What an import did; counts are of this call. */
export interface ImportOutcome {
  readonly files: readonly FileOutcome[]
  readonly readings: number
  readonly badLines: number
  readonly elapsedMs: number
  /** Of the readings of this call; infinite without any. */
  readonly firstMs: number
  readonly lastMs: number
  readonly misplaced: readonly MisplacedSensor[]
}

/** What is noted of a file with every transaction. */
interface FileProgress {
  readonly file: string
  readonly topicId: string
  /** Names the import that wrote it; `--again` begins another one. */
  readonly run: string
  readonly sorted: boolean
  /** Readings and bad lines, in the order of the import. */
  readonly entries: number
  readonly readings: number
  readonly badLines: number
  readonly done: boolean
}

const TRANSACTION_RECORDS = 10_000
const TRANSACTION_BYTES = 4 * 1_048_576
const ATTEMPTS_MAX = 20
const BACKOFF_MS = 250

/** Imports. `ConfigError` when a file, an option or the topic does not fit; nothing was imported then. */
export async function importFiles(spec: ImportSpec): Promise<ImportOutcome> {
  const { files, topic, options, listener } = spec
  const identified = await identifyFiles([...new Set(files)], topic, options, (bytes, total) =>
    listener.onIdentify(bytes, total),
  )
  const records = await ImportRecords.open(spec)
  return new ImportJob(spec, identified, records).run()
}

class ImportJob {
  private readonly spec: ImportSpec
  private readonly files: readonly ImportFile[]
  private readonly copies: readonly ImportFile[]
  private readonly records: ImportRecords
  private order = new FileOrder()
  private readonly runId: string
  private readonly startedMs: number
  /** As noted when the job began, and as it is now. */
  private before = new Map<string, FileProgress>()
  private now = new Map<string, FileProgress>()
  private firstMs = Infinity
  private lastMs = -Infinity
  private misplaced: readonly MisplacedSensor[] = []
  private readonly toldLines = new Set<string>()

  constructor(spec: ImportSpec, files: readonly ImportFile[], records: ImportRecords) {
    this.spec = spec
    this.records = records
    const keys = files.map(({ key }) => key)
    this.files = files.filter(({ key }, index) => keys.indexOf(key) === index)
    this.copies = files.filter((file) => !this.files.includes(file))
    this.runId = spec.random.uuid()
    this.startedMs = spec.clock.monotonic()
  }

  async run(): Promise<ImportOutcome> {
    const noted = await RecordedWriter.read<FileProgress>(
      this.spec.log,
      this.files.map(({ key }) => key),
    )
    this.before = this.startingPoints(noted)
    this.now = new Map(this.before)
    this.refuseOtherOrder()
    for (let attempt = 1; this.left().length > 0 && !this.spec.signal.aborted; attempt++) {
      try {
        await this.attempt()
      } catch (error) {
        if (!mayPass(error) || attempt >= ATTEMPTS_MAX) throw error
        this.spec.listener.onRetry(error.message)
        await sleep(this.spec.clock, BACKOFF_MS, this.spec.signal)
      }
    }
    return this.outcome()
  }

  /** Takes the work over and goes on until the end, or until it is interrupted. */
  private async attempt(): Promise<void> {
    const { log, random } = this.spec
    const left = this.left()
    const work = `import of ${left.map(({ path }) => path).join(', ')}`
    const writer = await RecordedWriter.open<FileProgress>({
      log,
      random,
      work,
      keys: left.map(({ key }) => key),
    })
    try {
      for (const [key, progress] of this.startingPoints(writer.progress)) this.now.set(key, progress)
      // What an attempt before gathered and did not commit comes again.
      this.records.take()
      this.order = new FileOrder()
      await this.work(writer, this.left())
    } finally {
      await writer.close()
    }
  }

  private async work(writer: RecordedWriter<FileProgress>, files: readonly ImportFile[]): Promise<void> {
    const { options, sort, signal, listener } = this.spec
    const opened = openFiles(files, options, sort, ({ key }) => this.now.get(key)?.entries ?? 0)
    const byPath = new Map(files.map((file) => [file.path, file]))
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
    const moved = new Map<string, FileProgress>()
    const commit = async (): Promise<void> => {
      await writer.write(this.records.take(), moved)
      for (const [key, progress] of moved) this.now.set(key, progress)
      moved.clear()
      this.watchOrder()
      listener.onProgress(opened.bytesRead(), total, this.counts().readings)
    }
    listener.onProgress(0, total, this.counts().readings)
    for await (const batch of opened.entries) {
      for (const entry of batch) {
        const { key } = byPath.get(entry.file) as ImportFile
        this.add(entry)
        moved.set(key, advanced(moved.get(key) ?? (this.now.get(key) as FileProgress), entry))
        if (this.records.count < TRANSACTION_RECORDS && this.records.bytes < TRANSACTION_BYTES) continue
        await commit()
        if (signal.aborted) return
      }
      listener.onProgress(opened.bytesRead(), total, this.counts().readings)
    }
    await checkUnchanged(files)
    for (const { key } of files) {
      moved.set(key, { ...(moved.get(key) ?? (this.now.get(key) as FileProgress)), done: true })
    }
    await commit()
  }

  private add(entry: FileEntry): void {
    if (isBadLine(entry)) {
      this.records.addBadLine(entry)
      const place = `${entry.file}:${entry.line}`
      if (!this.toldLines.has(place)) this.spec.listener.onBadLine(entry)
      this.toldLines.add(place)
      return
    }
    const { timestamp, sensorId } = entry.reading
    this.records.addReading(entry.reading)
    if (!this.spec.sort) this.order.add(sensorId, timestamp)
    this.firstMs = Math.min(this.firstMs, timestamp)
    this.lastMs = Math.max(this.lastMs, timestamp)
  }

  private watchOrder(): void {
    const before = this.misplaced.length
    this.misplaced = this.order.misplacedSensors()
    if (before === 0 && this.misplaced.length > 0) this.spec.listener.onMisplaced(this.misplaced)
  }

  /** Where each file goes on: as noted, if that is of this topic and not to be done again. */
  private startingPoints(noted: ReadonlyMap<string, FileProgress>): Map<string, FileProgress> {
    const { again, sort } = this.spec
    const { topicId } = this.records
    return new Map(
      this.files.map(({ key, path }) => {
        const found = noted.get(key)
        const counts = found?.topicId === topicId && (!again || found.run === this.runId)
        if (found !== undefined && counts) return [key, found]
        const none = { entries: 0, readings: 0, badLines: 0, done: false }
        return [key, { file: path, topicId, run: this.runId, sorted: sort, ...none }]
      }),
    )
  }

  /** A file that was begun in one order cannot be ended in another. */
  private refuseOtherOrder(): void {
    const problems = this.files.flatMap(({ key, path }) => {
      const { done, entries, sorted } = this.before.get(key) as FileProgress
      if (done || entries === 0 || sorted === this.spec.sort) return []
      return [
        `${path}: an earlier import, ${sorted ? 'with' : 'without'} --sort, stopped in the middle of it: ` +
          `go on ${sorted ? 'with' : 'without'} --sort, or import it once more from its start with --again`,
      ]
    })
    if (problems.length > 0) throw new ConfigError(problems)
  }

  private left(): readonly ImportFile[] {
    return this.files.filter(({ key }) => this.now.get(key)?.done !== true)
  }

  private counts(): { readings: number; badLines: number } {
    let [readings, badLines] = [0, 0]
    for (const { key } of this.files) {
      const { before, now } = this.progressOf(key)
      readings += now.readings - before.readings
      badLines += now.badLines - before.badLines
    }
    return { readings, badLines }
  }

  private progressOf(key: string): { before: FileProgress; now: FileProgress } {
    return { before: this.before.get(key) as FileProgress, now: this.now.get(key) as FileProgress }
  }

  private outcome(): ImportOutcome {
    const files = this.files.map(({ key, path }): FileOutcome => {
      const { before, now } = this.progressOf(key)
      const counts = { readings: now.readings - before.readings, badLines: now.badLines - before.badLines }
      if (before.done) return { file: path, state: 'already-imported', ...counts }
      if (!now.done) return { file: path, state: 'interrupted', ...counts }
      return { file: path, state: before.entries > 0 ? 'continued' : 'imported', ...counts }
    })
    const copies = this.copies.map(({ path }): FileOutcome => {
      return { file: path, state: 'same', readings: 0, badLines: 0 }
    })
    const { firstMs, lastMs, misplaced } = this
    const elapsedMs = this.spec.clock.monotonic() - this.startedMs
    return { files: [...files, ...copies], ...this.counts(), elapsedMs, firstMs, lastMs, misplaced }
  }
}

function advanced(progress: FileProgress, entry: FileEntry): FileProgress {
  const bad = isBadLine(entry)
  return {
    ...progress,
    entries: progress.entries + 1,
    readings: progress.readings + (bad ? 0 : 1),
    badLines: progress.badLines + (bad ? 1 : 0),
  }
}
