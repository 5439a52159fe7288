/**
 * Where a replay of one task begins and ends when it has to judge as live did. Pure.
 *
 * It begins at a commit of the live task: its positions, its watermarks, without its state. That state is what earlier
 * records left behind: open windows, and remembered event ids. So the commit has to lie so far back that
 *
 * 1. no record before it is in a window of the range, and
 * 2. what was remembered at it had been forgotten before the first record of such a window.
 *
 * A record's time is at most the watermark behind it plus the allowed out-of-orderness: that is how both are known from
 * commits alone, whatever the timestamps in the log say.
 */
import type { CommitEntry } from '../../runtime/commit-entry.ts'
import type { Decision } from '../../time/decisions.ts'
import type { ClosingTime, Spans } from './spans.ts'

export interface CutSpec {
  /** Oldest first; at least one. */
  readonly entries: readonly CommitEntry[]
  readonly fromMs: number
  /** When the windows of the range have closed; empty: the range is never known to be complete. */
  readonly closing: ReadonlyMap<string, ClosingTime>
  readonly spans: Spans
  readonly outOfOrdernessMs: number
  /** Whether the first of `entries` is the first commit of all: else decisions before it are not known. */
  readonly historyIsWhole: boolean
  /** Start of each input in the log, by topic. */
  readonly starts: Readonly<Record<string, bigint>>
  /** Whether a commit in between can be begun at: not where state has no end, nor behind repartitions. */
  readonly seedable: boolean
  /** Whether operators' own closing times in the entries are of the same windows. */
  readonly sameWindows: boolean
}

export interface Cut {
  /** The commit to begin at; `undefined`: at the start of the log. */
  readonly begin: CommitEntry | undefined
  readonly end: CommitEntry
  /** Taken by live between the two. */
  readonly decisions: readonly Decision[]
  /** Results from here on are as live's; `Infinity`: none is known to be. */
  readonly trustedFromMs: number
  /** Whether live has closed the whole range at the end. */
  readonly complete: boolean
}

/** The latest begin that does, else the one that trusts most; and the earliest end. */
export function cutAsLive(spec: CutSpec): Cut {
  const { entries } = spec
  const begin = chooseBegin(spec)
  const first = begin.index === undefined ? 0 : begin.index
  const closed = entries.findIndex((entry, index) => index >= first && isClosed(spec, entry))
  const end = closed < 0 ? entries.length - 1 : closed
  return {
    begin: begin.index === undefined ? undefined : entries[begin.index],
    end: entries[end]!,
    decisions: entries
      .slice(begin.index === undefined ? 0 : begin.index + 1, end + 1)
      .flatMap(({ decisions }) => decisions),
    trustedFromMs: begin.trustedFromMs,
    complete: closed >= 0,
  }
}

interface Begin {
  readonly index: number | undefined
  readonly trustedFromMs: number
}

function chooseBegin(spec: CutSpec): Begin {
  const { entries, fromMs, spans } = spec
  const fromStart = spec.historyIsWhole && Object.values(spec.starts).every((start) => start === 0n)
  const beginning = { index: undefined, trustedFromMs: fromStart ? -Infinity : Infinity }
  if (!spec.seedable) return beginning
  // The newest commit with no record of the range before it: by then the begin must have been forgotten.
  const quiet = entries.findLastIndex((entry) => highestMs(spec, entry) + spans.windowsMs <= fromMs)
  for (let index = quiet; index >= 0; index--) {
    if (!isThere(spec, entries[index]!)) break
    if (isForgotten(spec, entries[index]!, entries[quiet]!)) return { index, trustedFromMs: -Infinity }
  }
  if (fromStart) return beginning
  const earliest = entries.findIndex((entry) => isThere(spec, entry))
  if (earliest < 0) return beginning
  const since = entries.findIndex(
    (entry, index) => index >= earliest && isForgotten(spec, entries[earliest]!, entry),
  )
  const trustedFromMs = since < 0 ? Infinity : highestMs(spec, entries[since]!) + spans.windowsMs
  return { index: earliest, trustedFromMs }
}

/** No record before the commit has a later time. */
function highestMs({ outOfOrdernessMs }: CutSpec, { channels }: CommitEntry): number {
  return Math.max(...channels.map(({ watermarkMs }) => watermarkMs)) + outOfOrdernessMs
}

/** Whether nothing that was remembered at `begin` is remembered for any record behind `later`. */
function isForgotten(spec: CutSpec, begin: CommitEntry, later: CommitEntry): boolean {
  const { memoryMs } = spec.spans
  if (memoryMs === 0) return true
  const leastMs = Math.max(
    later.closedThroughMs,
    Math.min(...later.channels.map(({ watermarkMs }) => watermarkMs)),
  )
  const rememberedMs = highestMs(spec, begin)
  return rememberedMs === -Infinity || rememberedMs + memoryMs <= leastMs
}

/** Whether the records behind the commit are still in the log. */
function isThere({ starts }: CutSpec, { offsets }: CommitEntry): boolean {
  return Object.entries(starts).every(([topic, start]) => BigInt(offsets[topic] ?? 0) >= start)
}

function isClosed({ closing, sameWindows }: CutSpec, entry: CommitEntry): boolean {
  if (closing.size === 0) return false
  return [...closing].every(([name, { ownMs, inputMs }]) => {
    const ownClosedMs = sameWindows ? entry.operators[name]?.closedThroughMs : undefined
    return entry.closedThroughMs >= inputMs || (ownClosedMs ?? -Infinity) >= ownMs
  })
}
