/**
 * What a user of the DSL would write: the pure functions that stages are given. They are not what is tested,
 * so the DSL builder and the oracle share them. What keeps state (processors, windows, stores) is written on
 * both sides apart.
 */
import { addExact, canonicalPartials } from '../../src/sensors/exact-sum.ts'
import type { AggregatorSpec, Item, KeySpec, PredicateSpec } from './topology-spec.ts'

/** Thrown by simulated user code. `code` ends up in the dead letter. */
export class SimulatedError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'SimulatedError'
    this.code = code
  }
}

/** The code of what stages throw on purpose. */
export const SIM_FAILURE = 'SIM_FAILURE'

/** Event time of a source that reads it from the value. Throws, or answers nonsense, where there is none. */
export function eventTimeOf(value: unknown): number {
  return (value as { t: number }).t
}

/** The item of a source's value; throws for anything else. */
export function checkedItem(value: unknown): Item {
  const { id, n, g } = (value ?? {}) as Partial<Item>
  const fits = typeof id === 'string' && typeof g === 'string' && Number.isSafeInteger(n) && n! >= 0
  if (!fits) throw new SimulatedError('SIM_NOT_AN_ITEM', 'not an item')
  return { id, n: n!, g }
}

/** Whether the predicate holds. */
export function holds(predicate: PredicateSpec, item: Item): boolean {
  return item.n % predicate.modulus === predicate.remainder
}

/** Throws `SIM_FAILURE` where the predicate is given and holds. */
export function failWhen(predicate: PredicateSpec | undefined, item: Item): void {
  if (predicate !== undefined && holds(predicate, item)) {
    throw new SimulatedError(SIM_FAILURE, `fails for ${item.id}`)
  }
}

/** A new key. */
export function newKey(spec: KeySpec, key: string | null, item: Item): string {
  switch (spec.by) {
    case 'group':
      return item.g
    case 'bucket':
      return `b${item.n % spec.count}`
    case 'base':
      return baseOf(key ?? 'none')
    case 'text':
      return key ?? 'none'
  }
}

/** The text up to its last `@`. */
function baseOf(text: string): string {
  const at = text.lastIndexOf('@')
  return at < 0 ? text : text.slice(0, at)
}

/** Long ids become a hash (FNV-1a), so that chains of stages do not grow without end. */
export function shortId(id: string): string {
  if (id.length <= 64) return id
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  return `h${(hash >>> 0).toString(16)}x${id.length}`
}

/** The item marked with a stage's name, `add` added to its number. */
export function marked(item: Item, name: string, add: number): Item {
  return { id: shortId(`${item.id}.${name}`), n: item.n + add, g: item.g }
}

/** `count` copies of an item, told apart by their ids. */
export function copiesOf(item: Item, count: number): readonly Item[] {
  return Array.from({ length: count }, (_, copy) => ({
    id: shortId(`${item.id}/${copy}`),
    n: item.n + copy,
    g: item.g,
  }))
}

/** Several items as one. */
export function joined(items: readonly Item[]): Item {
  return {
    id: shortId(items.map((item) => item.id).join('+')),
    n: items.reduce((sum, item) => sum + item.n, 0),
    g: items[0]!.g,
  }
}

/** The text key of a window's result. */
export function windowKey(key: string, startMs: number): string {
  return `${key}@${startMs}`
}

/** An aggregate as an item: counts become one, the id is told apart by the key. */
export function itemOf(key: string, aggregate: unknown): Item {
  if (typeof aggregate === 'number') return { id: `${key}#${aggregate}`, n: aggregate, g: baseOf(key) }
  const item = aggregate as Item
  return { ...item, id: shortId(`${key}#${item.id}`) }
}

/** What `list` and `stats` keep. */
interface ListAggregate extends Item {
  readonly list: string
}

interface StatsAggregate extends Item {
  readonly count: number
  readonly min: number
  readonly max: number
  /** The exact sum of the readings, as canonical partials: one list for one sum, whatever the order. */
  readonly sum: readonly number[]
}

/** A number with one decimal, as sensors give them: plain sums of such depend on the order of addition. */
const readingOf = (item: Item): number => item.n / 10

/** The two reducers. */
export function reducerOf(spec: AggregatorSpec): ((aggregate: Item, item: Item) => Item) | undefined {
  if (spec.by === 'last') return (_aggregate, item) => item
  if (spec.by !== 'largest') return undefined
  const rank = (item: Item): string => JSON.stringify(item)
  return (aggregate, item) =>
    item.n > aggregate.n || (item.n === aggregate.n && rank(item) > rank(aggregate)) ? item : aggregate
}

/** Initializer of `list`. */
export const emptyList = (): ListAggregate => ({ id: '', n: 0, g: '', list: '' })

/** The list with one more id, the oldest beyond `size` gone. */
export function listed(size: number, item: Item, aggregate: ListAggregate): ListAggregate {
  const ids = aggregate.list === '' ? [] : aggregate.list.split('|')
  const list = [...ids, item.id].slice(-size).join('|')
  return { id: shortId(list), n: item.n, g: item.g, list }
}

/** Initializer of `stats`. */
export const emptyStats = (): StatsAggregate => ({
  id: 'stats',
  n: 0,
  g: '',
  count: 0,
  min: 0,
  max: 0,
  sum: [],
})

/** The statistics with one more item; the same in whatever order the items come. */
export function withStats(key: string, item: Item, aggregate: StatsAggregate): StatsAggregate {
  const first = aggregate.count === 0
  return {
    id: 'stats',
    n: aggregate.n + item.n,
    g: key,
    count: aggregate.count + 1,
    min: first ? item.n : Math.min(aggregate.min, item.n),
    max: first ? item.n : Math.max(aggregate.max, item.n),
    sum: canonicalPartials(addExact(aggregate.sum, readingOf(item))),
  }
}

/** What makes two items with the same id the same event. */
export function contentOf(item: Item): string {
  return `${item.n}:${item.g}`
}

/** What the difference processor passes on; `watermarkMs` undefined where it is not to be told. */
export function differenceItem(item: Item, last: number | undefined, watermarkMs: number | undefined): Item {
  const difference = last === undefined ? 0 : item.n - last
  const told = watermarkMs === undefined ? {} : { w: Number.isFinite(watermarkMs) ? watermarkMs : null }
  return { ...item, n: Math.abs(difference), ...told }
}

/** Under which key a processor keeps a record's number: without window starts, so that the keys stay few. */
export function storeKey(key: string | null): string {
  return (key ?? 'none').split('@', 1)[0]!
}

/** A time moved by some milliseconds, but not before 0. */
export function shifted(timestampMs: number, shiftMs: number): number {
  return Math.max(0, timestampMs + shiftMs)
}

/** What the ranking processor passes on. */
export function rankedItem(item: Item, entries: readonly (readonly [string, number])[]): Item {
  return { ...item, first: entries.map(([key, n]) => `${key}=${n}`).join(' ') } as Item
}
