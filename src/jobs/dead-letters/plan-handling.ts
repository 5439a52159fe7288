/** What a replay or a discard would do: found out first, so that it can be shown, asked about and written down. */
import { createHash } from 'node:crypto'
import type { Clock, Random } from '../../clock.ts'
import type { Log, Offset, TopicDescription } from '../../log/log.ts'
import { readMarks, type HandlingRun } from './handled-marks.ts'
import { canonicalFilter } from './letter-filter.ts'
import { LetterScan, LetterTally, type JudgedLetter } from './letter-scan.ts'
import { describeLetterTopic, letterRanges } from './read-letters.ts'
import { LetterJudge, type HandlingRequest } from './verdict.ts'

/** What is to be handled, for whom, by whom. */
export interface HandlingSpec {
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** Ends it behind the transaction under way; the same request goes on. */
  readonly signal: AbortSignal
  /** Names the group of the positions and the audit. */
  readonly applicationId: string
  readonly letterTopic: string
  readonly by: string
  readonly request: HandlingRequest
}

/** What would be done. */
export interface HandlingPlan {
  /** Names the run: a new one, or the one to be gone on with. */
  readonly id: string
  readonly letters: TopicDescription
  /** The request in one canonical text. */
  readonly requestText: string
  /** SHA-256 over the request, the letters' topic and incarnation, the ends and the counts; hexadecimal. */
  readonly hash: string
  /** Letters from these offsets on are left for the next run: what comes back is never put back by the same one. */
  readonly ends: readonly Offset[]
  /** An unfinished run of the same request: its bounds hold, and what it has done counts. */
  readonly unfinished: HandlingRun | undefined
  /** What is left to do. */
  readonly tally: LetterTally
}

/**
 * Goes through all letters once; changes nothing. `visit` sees them with their verdicts. `FatalError` `TOPIC_UNKNOWN`
 * where there is no such topic.
 */
export async function planHandling(
  spec: HandlingSpec,
  visit: (judged: readonly JudgedLetter[]) => Promise<void> = () => Promise.resolve(),
): Promise<HandlingPlan> {
  const { log, letterTopic, applicationId, request, random, signal } = spec
  const letters = await describeLetterTopic(log, letterTopic)
  const marks = await readMarks(log, letters, 'stable')
  const requestText = textOf(request)
  const unfinished = unfinishedRun(marks.run, requestText)
  const id = unfinished?.id ?? random.uuid()
  const ranges = await letterRanges(log, letters, unfinished?.ends.map(BigInt))
  const scan = new LetterScan(
    log,
    letterTopic,
    marks,
    new LetterJudge(request, { letters, applicationId, runId: id }),
  )
  const tally = new LetterTally()
  for (const range of ranges) {
    for await (const judged of scan.read(range)) {
      for (const one of judged) tally.add(one)
      await visit(judged)
      if (signal.aborted) break
    }
  }
  const ends = ranges.map(({ to }) => to)
  const hash = unfinished?.planHash ?? hashOf([letterTopic, letters.topicId, requestText, ends, tally])
  return { id, letters, requestText, hash, ends, unfinished, tally }
}

/** The run under way, where it is of the same request. */
export function unfinishedRun(run: HandlingRun | undefined, requestText: string): HandlingRun | undefined {
  return run !== undefined && !run.finished && run.request === requestText ? run : undefined
}

function textOf({ action, filter, maxAttempts, again }: HandlingRequest): string {
  return JSON.stringify({ action, filter: canonicalFilter(filter), maxAttempts: maxAttempts ?? null, again })
}

function hashOf(parts: readonly [string, string, string, readonly Offset[], LetterTally]): string {
  const [topic, topicId, request, ends, { handle, handled, notMeant, refused }] = parts
  const counts = { handle, handled, notMeant, refused: [...refused].sort() }
  const text = JSON.stringify([topic, topicId, request, ends.map(String), counts])
  return createHash('sha256').update(text).digest('hex')
}
