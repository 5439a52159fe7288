/** Held records get other offsets in the topic they are written to; here the commit entries that name them follow. */
import { assert } from '../../assert.ts'
import type { ChangelogPosition, CommitEntry } from '../../runtime/commit-entry.ts'

/**
 * For one repartition partition: from the offsets that a commit names to those they have become. An offset stands for
 * the first held record at or behind it; behind the last record, for the end.
 */
export class OffsetMap {
  /** Offsets that the entry names, ascending, that no record has been at or behind yet. */
  private readonly named: number[]
  private readonly moves = new Map<number, number>()
  private end = 0

  constructor(entry: CommitEntry, node: string) {
    const offsets = new Set([
      Number(entry.offsets[node]),
      ...channelsIn(entry, node).map((at) => at.takenThrough),
    ])
    this.named = [...offsets].sort((a, b) => a - b)
  }

  /** A record has moved; to be told of each, in their order. */
  moved(from: number, to: number): void {
    while (this.named.length > 0 && this.named[0]! <= from) this.moves.set(this.named.shift()!, to)
    this.end = to + 1
  }

  /** What an offset that the entry names has become. */
  of(offset: number): number {
    const moved = this.moves.get(offset)
    assert(
      moved !== undefined || this.named.includes(offset),
      'only offsets that the entry names are asked for',
    )
    return moved ?? this.end
  }
}

/** The entry as it is in the new topics. */
export function moveEntry(
  entry: CommitEntry,
  changelogs: Readonly<Record<string, ChangelogPosition>>,
  held: ReadonlyMap<string, OffsetMap>,
): CommitEntry {
  const offsets = Object.entries(entry.offsets).map(([input, offset]) => {
    const map = held.get(input)
    return [input, map === undefined ? offset : String(map.of(Number(offset)))] as const
  })
  const channels = entry.channels.map((state) => {
    const map = held.get(nodeOf(state.channel) ?? '')
    return map === undefined ? state : { ...state, takenThrough: map.of(state.takenThrough) }
  })
  return { ...entry, offsets: Object.fromEntries(offsets), channels, changelogs }
}

function channelsIn({ channels }: CommitEntry, node: string): CommitEntry['channels'] {
  return channels.filter(({ channel }) => nodeOf(channel) === node)
}

/** The repartition node of a channel, as `commitKey` names it; undefined for a source. */
function nodeOf(channel: string): string | undefined {
  return / in ([^ ]+)$/.exec(channel)?.[1]
}
