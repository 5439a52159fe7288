/** Everything a comparison found, gathered in bounded memory while results pass by. */
import { RecordError } from '../../errors.ts'
import {
  compareResults,
  readFields,
  type Comparison,
  type FieldDifference,
  type Tolerances,
  type Verdict,
} from './compare-results.ts'
import { DeltaHistogram, type DeltaBar } from './delta-histogram.ts'
import { ResultDigest } from './result-digest.ts'
import type { ResultFormat, StagedResult } from './result-format.ts'
import type { ResultPair, ResultRecord } from './result-record.ts'
import type { Side } from './result-passes.ts'

export interface Findings {
  readonly counts: Readonly<Record<Verdict, number>>
  /** Keys compared: the sum of the counts. */
  readonly compared: number
  readonly published: SideFindings
  readonly staged: SideFindings
  /** In how many changed results each field differs, the most frequent first. */
  readonly fields: readonly FieldFindings[]
  /** Differences over the time of the results, in equal parts of the range. */
  readonly timeline: readonly TimelinePart[]
  /** The largest changes, by the largest relative change of a number; the largest first. */
  readonly largest: readonly Change[]
  readonly invariants: readonly InvariantFindings[]
}

export interface SideFindings {
  readonly results: number
  readonly sha256: string
  /** Records of the range without a key. */
  readonly unkeyed: number
}

export interface FieldFindings {
  readonly name: string
  readonly changed: number
  /** Of numbers: staged less published, by order of magnitude. */
  readonly deltas: readonly DeltaBar[]
}

/** Counts of `[fromMs, toMs)`. */
export interface TimelinePart {
  readonly fromMs: number
  readonly toMs: number
  readonly counts: Readonly<Record<Verdict, number>>
}

export interface Change {
  readonly partition: number
  readonly key: string
  readonly timestampMs: number
  readonly verdict: Verdict
  readonly fields: readonly FieldDifference[]
  /** The largest relative change of its numbers; 1 where a side is missing. */
  readonly size: number
}

export interface InvariantFindings {
  readonly name: string
  readonly violations: number
  /** The first keys that violate it. */
  readonly examples: readonly string[]
}

const TIMELINE_PARTS = 48
const LARGEST_MAX = 50
const EXAMPLES_MAX = 5
const FIELDS_MAX = 64
/** The name under which staged results that cannot be read are told. */
export const READABLE = 'every result can be read'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Takes pairs in canonical order. */
export class FindingsCollector {
  private readonly format: ResultFormat
  private readonly tolerances: Tolerances
  private readonly onStaged: ((result: StagedResult) => void) | undefined
  private readonly fromMs: number
  private readonly partMs: number
  private readonly counts = noCounts()
  private readonly digests = { published: new ResultDigest(), staged: new ResultDigest() }
  private readonly unkeyed = { published: 0, staged: 0 }
  private readonly fields = new Map<string, { changed: number; deltas: DeltaHistogram }>()
  private readonly timeline: Mutable<TimelinePart>[] = []
  private readonly largest: Change[] = []
  private readonly violations = new Map<string, { violations: number; examples: string[] }>()

  constructor(
    format: ResultFormat,
    tolerances: Tolerances,
    fromMs: number,
    toMs: number,
    onStaged?: (result: StagedResult) => void,
  ) {
    this.format = format
    this.onStaged = onStaged
    this.tolerances = tolerances
    this.fromMs = fromMs
    this.partMs = Math.max(1, Math.ceil((toMs - fromMs) / TIMELINE_PARTS))
    for (let at = fromMs; at < toMs; at += this.partMs) {
      this.timeline.push({ fromMs: at, toMs: Math.min(toMs, at + this.partMs), counts: noCounts() })
    }
    for (const name of [READABLE, ...format.invariants.map((invariant) => invariant.name)]) {
      this.violations.set(name, { violations: 0, examples: [] })
    }
  }

  addUnkeyed(side: Side): void {
    this.unkeyed[side]++
  }

  /** Compares a pair and counts it; answers how it compares. */
  add(partition: number, pair: ResultPair): Comparison {
    const comparison = compareResults(pair, this.format.value, this.tolerances)
    this.counts[comparison.verdict]++
    const { key, published, staged } = pair
    if (published !== undefined) this.digests.published.add(partition, key, published.value)
    if (staged !== undefined) {
      this.digests.staged.add(partition, key, staged.value)
      this.check(key.toString('utf8'), staged)
    }
    const timestampMs = (staged ?? published)?.timestampMs ?? 0
    const part = this.timeline[Math.floor((timestampMs - this.fromMs) / this.partMs)]
    if (part !== undefined) (part.counts as Record<Verdict, number>)[comparison.verdict]++
    if (comparison.verdict !== 'match') this.addDifference(partition, key, timestampMs, comparison)
    return comparison
  }

  /** What was found; to be called once. */
  finish(): Findings {
    const { counts, digests, unkeyed } = this
    const side = (name: Side): SideFindings => {
      const { results } = digests[name]
      return { results, sha256: digests[name].sha256(), unkeyed: unkeyed[name] }
    }
    return {
      counts,
      compared: Object.values(counts).reduce((sum, count) => sum + count, 0),
      published: side('published'),
      staged: side('staged'),
      fields: [...this.fields]
        .map(([name, { changed, deltas }]) => ({ name, changed, deltas: deltas.bars() }))
        .sort((a, b) => b.changed - a.changed || (a.name < b.name ? -1 : 1)),
      timeline: this.timeline,
      largest: this.largest,
      invariants: [...this.violations].map(([name, found]) => ({ name, ...found })),
    }
  }

  private addDifference(partition: number, key: Buffer, timestampMs: number, comparison: Comparison): void {
    const { verdict, fields } = comparison
    for (const { name, delta } of fields) {
      const found = this.fields.get(name) ?? { changed: 0, deltas: new DeltaHistogram() }
      if (this.fields.size < FIELDS_MAX) this.fields.set(name, found)
      found.changed++
      if (delta !== undefined) found.deltas.add(delta)
    }
    const size = verdict === 'changed' || verdict === 'within' ? relativeSize(fields) : 1
    const least = this.largest.at(-1)
    if (this.largest.length === LARGEST_MAX && least !== undefined && size <= least.size) return
    const before = this.largest.findIndex((other) => other.size < size)
    const change = { partition, key: key.toString('utf8'), timestampMs, verdict, fields, size }
    this.largest.splice(before < 0 ? this.largest.length : before, 0, change)
    if (this.largest.length > LARGEST_MAX) this.largest.pop()
  }

  private check(key: string, record: ResultRecord): void {
    const fields = readFields(record, this.format.value)
    if (fields instanceof RecordError) return this.violated(READABLE, key)
    const result = { key, timestampMs: record.timestampMs, fields }
    this.onStaged?.(result)
    for (const invariant of this.format.invariants) {
      if (!invariant.holds(result)) this.violated(invariant.name, key)
    }
  }

  private violated(name: string, key: string): void {
    const found = this.violations.get(name)!
    found.violations++
    if (found.examples.length < EXAMPLES_MAX) found.examples.push(key)
  }
}

function relativeSize(fields: readonly FieldDifference[]): number {
  return fields.reduce((most, { published, staged, delta }) => {
    if (delta === undefined) return most
    const scale = Math.max(Math.abs(published as number), Math.abs(staged as number))
    return Math.max(most, scale === 0 ? 0 : Math.abs(delta) / scale)
  }, 0)
}

function noCounts(): Record<Verdict, number> {
  return { match: 0, within: 0, changed: 0, missing: 0, extra: 0 }
}
