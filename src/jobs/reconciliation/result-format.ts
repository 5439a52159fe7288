/** What a comparison has to know about results: how to read them, and what must hold of each. */
import type { Serde } from '../../serde/serde.ts'

/** A result as it was read: names and values of its fields. */
export type ResultFields = Readonly<Record<string, unknown>>

/** A result on the staged side, to be checked. */
export interface StagedResult {
  readonly key: string
  readonly timestampMs: number
  readonly fields: ResultFields
}

/** Something that must hold of every result. */
export interface Invariant {
  /** A few words: `min <= mean <= max`. */
  readonly name: string
  holds(result: StagedResult): boolean
}

export interface ResultFormat {
  readonly value: Serde<object>
  readonly invariants: readonly Invariant[]
  /** The key of the input records that a result comes from; `undefined` where the result's key does not tell. */
  sourceKeyOf(key: string): string | undefined
}
