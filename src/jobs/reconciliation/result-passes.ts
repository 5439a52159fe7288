/**
 * The newest committed result of every key in a partition of two topics, in the order of the keys' bytes.
 *
 * Memory is bounded by passes: a pass keeps the smallest keys that fit into the budget and drops the larger ones as it
 * goes; the next pass reads the partition again and begins with the first key that was dropped. So nothing is written
 * to disk, the order is the same whatever the budget, and a partition whose results fit is read once.
 */
import { FatalError } from '../../errors.ts'
import type { Log, Offset, TopicPartition } from '../../log/log.ts'
import type { RecordCursor } from '../../log/record-cursor.ts'
import { readRange } from '../../runtime/commit-log.ts'
import { copyResult, type ResultPair, type ResultRecord } from './result-record.ts'

/** A partition, and what of it is looked at. */
export interface ScannedPartition extends TopicPartition {
  readonly from: Offset
  readonly to: Offset
}

export interface PassSpec {
  readonly log: Log
  readonly published: ScannedPartition
  readonly staged: ScannedPartition
  /** Results with a timestamp in `[fromMs, toMs)` are compared. */
  readonly fromMs: number
  readonly toMs: number
  /** Whether a key belongs to the comparison; all do where it is missing. */
  readonly wanted?: ((key: Buffer) => boolean) | undefined
  readonly budgetBytes: number
  readonly signal?: AbortSignal | undefined
  /** Records of the range that have no key, and so can be compared with nothing. */
  onUnkeyed(side: Side): void
}

/** The two topics of a comparison. */
export type Side = 'published' | 'staged'

/** Bytes that an entry takes besides its texts and values, roughly. */
const ENTRY_BYTES = 400

interface Entry {
  published: ResultRecord | undefined
  staged: ResultRecord | undefined
}

/**
 * Yields the keys of one pass after the other, each with at least one side. A key whose newest record is a tombstone
 * is absent from that side. A key takes part when the newest record of one side lies in the range; what the published
 * side then holds under that key counts whatever its timestamp, since that is what a promotion would replace.
 */
export async function* resultPasses(spec: PassSpec): AsyncGenerator<readonly ResultPair[]> {
  let from: string | undefined = ''
  for (let first = true; from !== undefined; first = false) {
    const pass: Pass = new Pass(spec, from, first)
    await pass.read('staged')
    await pass.read('published')
    yield pass.pairs()
    from = pass.nextFrom
  }
}

class Pass {
  /** The first key that is left to the next pass. */
  nextFrom: string | undefined
  private readonly spec: PassSpec
  private readonly from: string
  private readonly first: boolean
  /** Keys as texts of a character a byte: their order is that of the bytes. */
  private readonly entries = new Map<string, Entry>()
  private bytes = 0

  constructor(spec: PassSpec, from: string, first: boolean) {
    this.spec = spec
    this.from = from
    this.first = first
  }

  async read(side: Side): Promise<void> {
    const { log, signal } = this.spec
    const { from, to, ...partition } = this.spec[side]
    await readRange(log, partition, from, to, (cursor) => {
      if (signal?.aborted) throw new FatalError('INTERRUPTED', 'The comparison was interrupted.')
      this.take(side, cursor)
    })
  }

  pairs(): readonly ResultPair[] {
    return this.sortedKeys().map((key) => ({ key: Buffer.from(key, 'latin1'), ...this.entries.get(key)! }))
  }

  private take(side: Side, cursor: RecordCursor): void {
    const bytes = cursor.key()
    const inRange = cursor.timestampMs >= this.spec.fromMs && cursor.timestampMs < this.spec.toMs
    if (bytes === null) {
      if (this.first && inRange) this.spec.onUnkeyed(side)
      return
    }
    const key = bytes.toString('latin1')
    if (key < this.from || (this.nextFrom !== undefined && key >= this.nextFrom)) return
    if (this.spec.wanted?.(bytes) === false) return
    const entry = this.entries.get(key)
    const counts = inRange || (side === 'published' && entry?.staged !== undefined)
    this.set(key, entry, side, counts ? copyResult(cursor) : undefined)
    if (this.bytes > this.spec.budgetBytes && this.entries.size > 1) this.shrink()
  }

  private set(key: string, entry: Entry | undefined, side: Side, record: ResultRecord | undefined): void {
    if (entry === undefined && record === undefined) return
    const now = entry ?? { published: undefined, staged: undefined }
    this.bytes += sizeOf(key, record) - sizeOf(key, now[side])
    now[side] = record
    if (entry === undefined) this.entries.set(key, now)
    else if (now.published === undefined && now.staged === undefined) this.entries.delete(key)
  }

  /** Drops the larger half of the keys, by bytes. */
  private shrink(): void {
    let kept = 0
    let dropping = false
    for (const [index, key] of this.sortedKeys().entries()) {
      const { published, staged } = this.entries.get(key)!
      const size = sizeOf(key, published) + sizeOf(key, staged)
      dropping ||= index > 0 && kept + size > this.spec.budgetBytes / 2
      if (!dropping) kept += size
      else this.drop(key, size)
    }
  }

  private drop(key: string, size: number): void {
    // Keys are dropped above those dropped before, or this is the first and smallest of its round.
    if (this.nextFrom === undefined || key < this.nextFrom) this.nextFrom = key
    this.entries.delete(key)
    this.bytes -= size
  }

  private sortedKeys(): readonly string[] {
    return [...this.entries.keys()].sort()
  }
}

function sizeOf(key: string, record: ResultRecord | undefined): number {
  if (record === undefined) return 0
  const headers = record.headers.reduce((sum, { key: name, value }) => {
    return sum + name.length + (value?.length ?? 0) + 64
  }, 0)
  return key.length + record.value.length + headers + ENTRY_BYTES
}
