/** Compares staged results with results that are known to be right, as told by a file. */
import { RecordError } from '../../errors.ts'
import {
  fieldDifferences,
  isWithin,
  readFields,
  type FieldDifference,
  type Tolerances,
} from './compare-results.ts'
import type { ResultFields, ResultFormat } from './result-format.ts'
import type { ResultPair } from './result-record.ts'

/** What the comparison with the truth came to. */
export interface TruthFindings {
  readonly match: number
  /** Differ by no more than the tolerances. */
  readonly within: number
  readonly wrong: number
  /** The truth has it, nothing is staged. */
  readonly absent: number
  /** It is staged, and the truth does not have it. */
  readonly unexpected: number
  /** The first ones that are not right. */
  readonly examples: readonly TruthExample[]
}

export interface TruthExample {
  readonly key: string
  readonly kind: 'wrong' | 'absent' | 'unexpected'
  /** `published` is what the truth says. */
  readonly fields: readonly FieldDifference[]
}

const EXAMPLES_MAX = 20

/** Takes every pair of a comparison; only fields that the truth tells of are looked at. */
export class TruthComparison {
  private readonly format: ResultFormat
  private readonly tolerances: Tolerances
  private readonly left: Map<string, ResultFields>
  private readonly counts = { match: 0, within: 0, wrong: 0, absent: 0, unexpected: 0 }
  private readonly examples: TruthExample[] = []

  /** `truth`: by key, all of the compared range. */
  constructor(truth: ReadonlyMap<string, ResultFields>, format: ResultFormat, tolerances: Tolerances) {
    this.left = new Map(truth)
    this.format = format
    this.tolerances = tolerances
  }

  /** Takes the next pair. */
  add({ key: bytes, staged }: ResultPair): void {
    if (staged === undefined) return
    const key = bytes.toString('utf8')
    const expected = this.left.get(key)
    if (expected === undefined) return this.note('unexpected', key, [])
    this.left.delete(key)
    const found = readFields(staged, this.format.value)
    if (found instanceof RecordError) return this.note('wrong', key, [])
    const told = Object.fromEntries(Object.keys(expected).map((name) => [name, found[name]]))
    const fields = fieldDifferences(expected, told)
    if (fields.length === 0) this.counts.match++
    else if (fields.every((field) => isWithin(field, this.tolerances))) this.counts.within++
    else this.note('wrong', key, fields)
  }

  /** What came of it, once every pair was taken. */
  finish(): TruthFindings {
    for (const key of this.left.keys()) this.note('absent', key, [])
    this.left.clear()
    return { ...this.counts, examples: this.examples }
  }

  private note(kind: TruthExample['kind'], key: string, fields: readonly FieldDifference[]): void {
    this.counts[kind]++
    if (this.examples.length < EXAMPLES_MAX) this.examples.push({ key, kind, fields })
  }
}
