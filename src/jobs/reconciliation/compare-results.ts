/** What two results under one key differ in. */
import { messageOf, RecordError } from '../../errors.ts'
import type { Serde } from '../../serde/serde.ts'
import type { ResultFields } from './result-format.ts'
import { sameResult, type ResultPair, type ResultRecord } from './result-record.ts'

/**
 * How the sides of a key compare. `match`: value bytes and timestamps are equal. `within`: every field that differs is
 * a number and within its tolerance. `missing`: only staged. `extra`: only published.
 */
export type Verdict = 'match' | 'within' | 'changed' | 'missing' | 'extra'

/** All verdicts, in the order of reports. */
export const VERDICTS: readonly Verdict[] = ['match', 'within', 'changed', 'missing', 'extra']

/** The verdicts that a promotion mends. */
export type DifferenceKind = Extract<Verdict, 'changed' | 'missing' | 'extra'>

/** A field that is not the same on both sides; `undefined` where a side does not have it. */
export interface FieldDifference {
  readonly name: string
  readonly published: unknown
  readonly staged: unknown
  /** Staged less published, where both are numbers. */
  readonly delta?: number
}

export interface Comparison {
  readonly verdict: Verdict
  /** Of `changed` and `within`; empty where bytes differ that mean the same. */
  readonly fields: readonly FieldDifference[]
}

/** By field: how far two numbers may be apart and still count as equal. */
export type Tolerances = ReadonlyMap<string, number>

/** Stands for the record's timestamp among the fields. */
export const TIMESTAMP_FIELD = '(timestamp)'
/** Stands for a value that cannot be read on one of the sides. */
export const UNREADABLE_FIELD = '(unreadable)'

const NOTHING: readonly FieldDifference[] = []

/** Compares; values that cannot be read are `changed` where their bytes differ. */
export function compareResults(
  { published, staged }: ResultPair,
  serde: Serde<object>,
  tolerances: Tolerances,
): Comparison {
  if (published === undefined) return { verdict: 'missing', fields: NOTHING }
  if (staged === undefined) return { verdict: 'extra', fields: NOTHING }
  if (sameResult(published, staged)) return { verdict: 'match', fields: NOTHING }
  const fields: FieldDifference[] = []
  if (published.timestampMs !== staged.timestampMs) {
    fields.push({ name: TIMESTAMP_FIELD, published: published.timestampMs, staged: staged.timestampMs })
  }
  if (!published.value.equals(staged.value)) fields.push(...differingFields(published, staged, serde))
  const within = fields.length > 0 && fields.every((field) => isWithin(field, tolerances))
  return { verdict: within ? 'within' : 'changed', fields }
}

/** The fields of a result, or why it cannot be read. */
export function readFields({ value }: ResultRecord, serde: Serde<object>): ResultFields | RecordError {
  try {
    const fields: unknown = serde.deserialize(value, 0, value.length)
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return fields as ResultFields
    return new RecordError('RESULT_UNREADABLE', 'it has no fields')
  } catch (error) {
    return new RecordError('RESULT_UNREADABLE', messageOf(error), { cause: error })
  }
}

/** The fields of both in which they differ, in the order of the staged result. */
export function fieldDifferences(published: ResultFields, staged: ResultFields): readonly FieldDifference[] {
  const names = new Set([...Object.keys(staged), ...Object.keys(published)])
  return [...names].flatMap((name) => {
    const [before, after] = [published[name], staged[name]]
    if (sameValue(before, after)) return []
    const delta = typeof before === 'number' && typeof after === 'number' ? { delta: after - before } : {}
    return [{ name, published: before, staged: after, ...delta }]
  })
}

/** Whether a difference does not count. */
export function isWithin({ name, delta }: FieldDifference, tolerances: Tolerances): boolean {
  return delta !== undefined && Math.abs(delta) <= (tolerances.get(name) ?? -1)
}

function differingFields(
  published: ResultRecord,
  staged: ResultRecord,
  serde: Serde<object>,
): readonly FieldDifference[] {
  const [before, after] = [readFields(published, serde), readFields(staged, serde)]
  if (!(before instanceof RecordError) && !(after instanceof RecordError)) {
    return fieldDifferences(before, after)
  }
  const told = (side: ResultFields | RecordError): string => {
    return side instanceof RecordError ? side.message : 'readable'
  }
  return [{ name: UNREADABLE_FIELD, published: told(before), staged: told(after) }]
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object') return false
  return JSON.stringify(a) === JSON.stringify(b)
}
