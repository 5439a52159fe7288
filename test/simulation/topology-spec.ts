/**
 * A topology as plain data: a list of stages in the order of the DSL calls. `topology-of.ts` makes DSL calls
 * of it, `oracle/` interprets it on plain arrays and maps. A new kind of stage needs a type here, its user
 * function in `user-functions.ts`, and a case in each of `topology-of.ts` and `oracle/graph.ts`.
 *
 * Every stream between two stages has text keys (or null, until something rekeys) and `Item` values, so that
 * any stage can follow any other and leaving one out leaves a valid topology.
 */

/** What flows: unique id, a natural number, the name of a group. Aggregates add fields of their own. */
export interface Item {
  readonly id: string
  readonly n: number
  readonly g: string
}

/** What a failing stage does; `fail` stops the application and is not simulated. */
export type OnError = 'dead-letter' | 'skip'

/** True where `n % modulus === remainder`. */
export interface PredicateSpec {
  readonly modulus: number
  readonly remainder: number
}

/**
 * How a new key is made: the item's group; `b<n % count>`; the key up to its last `@`; the key itself, with
 * `none` for null.
 */
export type KeySpec =
  | { readonly by: 'group' }
  | { readonly by: 'bucket'; readonly count: number }
  | { readonly by: 'base' }
  | { readonly by: 'text' }

/**
 * `count`; `last` (reduce, last wins); `largest` (reduce by n, then all of it; the same in any order); `list`
 * (the last `size` ids as text, depends on order); `stats` (count, sum, min, max of n, and the exact sum of
 * n / 10; the same in any order). `commutative` is what the DSL is told.
 */
export type AggregatorSpec =
  | { readonly by: 'count' }
  | { readonly by: 'last' }
  | { readonly by: 'largest'; readonly commutative: boolean }
  | { readonly by: 'list'; readonly size: number }
  | { readonly by: 'stats'; readonly commutative: boolean }

/** `[start, start + sizeMs)`, a start at every multiple of `advanceMs` from 0 on. */
export interface WindowSpec {
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
}

interface StageBase {
  /** Unique; also the name of the stream behind the stage. Of a split, `<name>-<branch>` are the streams. */
  readonly name: string
  /** Streams that feed it; one for all but sources and merges. */
  readonly inputs: readonly string[]
  /** Dead letter where not given. */
  readonly onError?: OnError
}

/** Event time is the record's timestamp, or the field `t` of its value. */
export interface SourceStage extends StageBase {
  readonly kind: 'source'
  readonly topics: readonly string[]
  readonly eventTime: 'record' | 'value'
}

/** mapValues that throws `SIM_NOT_AN_ITEM` for what is not an item, and passes on just the item's fields. */
export interface CheckStage extends StageBase {
  readonly kind: 'check'
}

export interface FilterStage extends StageBase {
  readonly kind: 'filter' | 'filterNot'
  readonly predicate: PredicateSpec
}

/** map with a new key, mapValues; both mark the id with the stage's name. */
export interface MapStage extends StageBase {
  readonly kind: 'map'
  readonly key: KeySpec
}

export interface MapValuesStage extends StageBase {
  readonly kind: 'mapValues'
  readonly add: number
}

/** `n % copies` records for each, with `/0`, `/1` … behind the id. */
export interface FlatMapStage extends StageBase {
  readonly kind: 'flatMap'
  readonly key: KeySpec
  readonly copies: number
}

export interface FlatMapValuesStage extends StageBase {
  readonly kind: 'flatMapValues'
  readonly copies: number
}

export interface SelectKeyStage extends StageBase {
  readonly kind: 'selectKey'
  readonly key: KeySpec
}

/** peek that throws `SIM_FAILURE` where the predicate holds; without one it only looks. */
export interface PeekStage extends StageBase {
  readonly kind: 'peek'
  readonly failWhen?: PredicateSpec
}

/** mapValues that throws `SIM_FAILURE` where the predicate holds. */
export interface FailingStage extends StageBase {
  readonly kind: 'failing'
  readonly failWhen: PredicateSpec
}

/**
 * `.pipe` or `.pipeValues` of mergeMap (1 + n % copies items for each), bufferCount(size) and map (a buffer
 * becomes one item with the ids joined and the numbers added). Nothing may stay in the buffer for the next
 * record.
 */
export interface PipeStage extends StageBase {
  readonly kind: 'pipe' | 'pipeValues'
  readonly copies: number
  readonly size: number
  /** Of `pipe` only. */
  readonly key: KeySpec
}

export interface MergeStage extends StageBase {
  readonly kind: 'merge'
}

/** The streams behind it are `<name>-<branch>`; the default branch comes last. */
export interface SplitStage extends StageBase {
  readonly kind: 'split'
  readonly branches: readonly { readonly name: string; readonly predicate: PredicateSpec }[]
  readonly defaultBranch?: string
}

export interface RepartitionStage extends StageBase {
  readonly kind: 'repartition'
  readonly partitions?: number
}

interface GroupingStage extends StageBase {
  /** groupBy with this key; groupByKey where not given. */
  readonly group?: KeySpec
  readonly aggregator: AggregatorSpec
}

/**
 * group, windowedBy, aggregate, toStream with `<key>@<window start>` as key, mapValues to items. The stages
 * are `<name>-repartition` where needed, `<name>`, `<name>-key`, `<name>-item`, and the stream behind is
 * `<name>`.
 */
export interface WindowedStage extends GroupingStage {
  readonly kind: 'windowed'
  readonly windows: WindowSpec
  readonly emit: 'onWindowClose' | 'onWindowUpdate'
  readonly lateTopic?: string
}

/** group, aggregate without windows, toStream, mapValues to items. */
export interface AggregateStage extends GroupingStage {
  readonly kind: 'aggregate'
}

/** A processor with one key-value store; stages that name the same store share it and agree on `ttlMs`. */
interface ProcessorStage extends StageBase {
  readonly store: string
  readonly ttlMs?: number
}

/**
 * processValues: drops an item whose id was seen with the same content (user counter `<name>-duplicates`),
 * throws `EVENT_ID_CONFLICT` where it was seen with another.
 */
export interface DedupeStage extends ProcessorStage {
  readonly kind: 'dedupe'
}

/**
 * The difference to the last n of the key (up to its first `@`). processValues; process where `key` is given.
 * Writes the store first, then throws `SIM_FAILURE` where `failWhen` holds, then forwards.
 */
export interface DifferenceStage extends ProcessorStage {
  readonly kind: 'difference'
  readonly key?: KeySpec
  /** Of process: added to the record's time, which does not fall below 0. */
  readonly shiftMs?: number
  readonly failWhen?: PredicateSpec
  /**
   * Puts the watermark the context tells into the value; only where no window is before it in its
   * sub-topology.
   */
  readonly tellWatermark?: boolean
}

/**
 * processValues with range reads: keeps n under the key (up to its first `@`) and passes on the first `take`
 * entries of a range as text, from the start or from the record's key on; an n of 0 deletes the key's entry.
 */
export interface RankingStage extends ProcessorStage {
  readonly kind: 'ranking'
  readonly range: 'all' | 'fromKey' | 'fromKeyToTilde'
  readonly take: number
}

export interface SinkStage extends StageBase {
  readonly kind: 'sink'
  readonly topic: string
  /** Hashes this instead of the key. */
  readonly partitionBy?: KeySpec
}

export type StageSpec =
  | SourceStage
  | CheckStage
  | FilterStage
  | MapStage
  | MapValuesStage
  | FlatMapStage
  | FlatMapValuesStage
  | SelectKeyStage
  | PeekStage
  | FailingStage
  | PipeStage
  | MergeStage
  | SplitStage
  | RepartitionStage
  | WindowedStage
  | AggregateStage
  | DedupeStage
  | DifferenceStage
  | RankingStage
  | SinkStage

/** The stages in the order of the DSL calls: a stage comes after all its inputs. */
export interface TopologySpec {
  readonly stages: readonly StageSpec[]
}

/** The names of the streams behind a stage. */
export function streamsOf(stage: StageSpec): readonly string[] {
  if (stage.kind === 'sink') return []
  if (stage.kind !== 'split') return [stage.name]
  const names = stage.branches.map((branch) => branch.name)
  if (stage.defaultBranch !== undefined) names.push(stage.defaultBranch)
  return names.map((branch) => `${stage.name}-${branch}`)
}
