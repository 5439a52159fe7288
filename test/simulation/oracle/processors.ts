/** What the simulated processors do, on plain maps. */
import type { DedupeStage, DifferenceStage, Item, RankingStage } from '../topology-spec.ts'
import {
  contentOf,
  differenceItem,
  failWhen,
  newKey,
  rankedItem,
  shifted,
  SimulatedError,
  storeKey,
} from '../user-functions.ts'
import { compareUtf8 } from './arithmetic.ts'
import { liveKeys, readStore, type OracleStore, type UndoLog } from './store.ts'

/** One record at a processor. */
export interface ProcessorCall {
  readonly key: string | null
  readonly item: Item
  readonly timestampMs: number
  /** The record's own watermark. */
  readonly watermarkMs: number
  /** The watermark that decides which entries have expired: the own one, or what was closed by decision. */
  readonly expiryMs: number
  readonly store: OracleStore
  readonly undo: UndoLog
  forward(key: string | null, item: Item, timestampMs: number): void
  count(counter: string): void
}

type ProcessorStage = DedupeStage | DifferenceStage | RankingStage

/** Runs a processor for one record. */
export function callProcessor(stage: ProcessorStage, call: ProcessorCall): void {
  switch (stage.kind) {
    case 'dedupe':
      return dedupe(stage, call)
    case 'difference':
      return difference(stage, call)
    case 'ranking':
      return ranking(stage, call)
  }
}

function read({ store, expiryMs }: ProcessorCall, key: string): unknown {
  return readStore(store, key, expiryMs)
}

function write({ store, undo, timestampMs }: ProcessorCall, key: string, value: unknown): void {
  undo.set(store.entries, key, { value, timeMs: timestampMs })
}

function dedupe(stage: DedupeStage, call: ProcessorCall): void {
  const { id } = call.item
  const content = contentOf(call.item)
  const seen = read(call, id)
  if (seen === content) return call.count(`${stage.name}-duplicates`)
  if (seen !== undefined) throw new SimulatedError('EVENT_ID_CONFLICT', `${id} came with other content`)
  write(call, id, content)
  call.forward(call.key, call.item, call.timestampMs)
}

function difference(stage: DifferenceStage, call: ProcessorCall): void {
  const kept = storeKey(call.key)
  const last = read(call, kept) as number | undefined
  write(call, kept, call.item.n)
  failWhen(stage.failWhen, call.item)
  const result = differenceItem(call.item, last, stage.tellWatermark ? call.watermarkMs : undefined)
  const key = stage.key === undefined ? call.key : newKey(stage.key, call.key, call.item)
  const { timestampMs } = call
  call.forward(key, result, stage.key === undefined ? timestampMs : shifted(timestampMs, stage.shiftMs ?? 0))
}

function ranking(stage: RankingStage, call: ProcessorCall): void {
  const { store, undo, item } = call
  const key = storeKey(call.key)
  if (item.n === 0) undo.delete(store.entries, key)
  else write(call, key, item.n)
  const first: string[] = []
  for (const other of liveKeys(store, call.expiryMs)) {
    const isFirst = first.length < stage.take || compareUtf8(other, first.at(-1)!) < 0
    if (!isFirst || !isInRange(other, key, stage.range)) continue
    first.push(other)
    first.sort(compareUtf8).splice(stage.take)
  }
  const entries = first.map((other) => [other, read(call, other) as number] as const)
  call.forward(call.key, rankedItem(item, entries), call.timestampMs)
}

function isInRange(key: string, from: string, range: RankingStage['range']): boolean {
  if (range !== 'all' && compareUtf8(key, from) < 0) return false
  return range !== 'fromKeyToTilde' || compareUtf8(key, '~') < 0
}
