/** Carries out a plan: puts dead letters back, parks them, or marks them as discarded; each once, over kills. */
import { sleep } from '../../clock.ts'
import { AbortableError, RetriableError, UnknownOutcomeError } from '../../errors.ts'
import type { Offset } from '../../log/log.ts'
import {
  auditRecord,
  writeAudit,
  type AuditedOperation,
  type AuditRecord,
  type AuditResult,
} from '../audit.ts'
import { HandlingSession } from './handling-session.ts'
import { NO_COUNTS, type HandlingCounts } from './handled-marks.ts'
import { LetterScan, LetterTally, type JudgedLetter } from './letter-scan.ts'
import type { HandlingPlan, HandlingSpec } from './plan-handling.ts'
import { letterRanges } from './read-letters.ts'
import { LetterJudge } from './verdict.ts'

/** Keeps a rate. */
export interface RateLimit {
  /** How many more may go now; they count as taken. */
  due(): number
  /** Milliseconds until the next one may. */
  waitMs(): number
}

/** How a plan is carried out. */
export interface HandlingOptions {
  /** Called when the first letter is about to go; no limit where it is missing. */
  readonly newRateLimit?: (() => RateLimit) | undefined
  /** Hears how many letters this call has handled. */
  onProgress?(handled: number): void
  /** Something that passes by itself interrupts the work. */
  onRetry?(reason: string): void
}

/** What became of it. */
export interface HandlingOutcome {
  /** Of the whole run, earlier calls included. */
  readonly counts: HandlingCounts
  /** What this call found. */
  readonly tally: LetterTally
  /** False when a signal ended it before the end. */
  readonly finished: boolean
}

const TRANSACTION_LETTERS = 1_000
const TRANSACTION_BYTES = 4 * 1_048_576
/** Where a rate is kept, transactions are at least this far apart. */
const TICK_MS = 100
const BACKOFF_MS = 250
const ATTEMPTS_MAX = 20

/**
 * Carries the plan out. Each transaction holds records, their marks, positions of the group, and the state of the run;
 * the last one, or the first, also the audit. Killed at any moment it leaves nothing half done, and a plan of the same
 * request goes on with it.
 */
export function handleLetters(
  spec: HandlingSpec,
  plan: HandlingPlan,
  options: HandlingOptions = {},
): Promise<HandlingOutcome> {
  return new LetterWork(spec, plan, options).run()
}

class LetterWork {
  private readonly spec: HandlingSpec
  private readonly plan: HandlingPlan
  private readonly options: HandlingOptions
  private readonly operation: AuditedOperation
  private tally = new LetterTally()
  private counts: HandlingCounts
  private handled = 0
  private begun = false
  private limit: RateLimit | undefined
  /** How many the rate allows that have not gone. */
  private owed = 0

  constructor(spec: HandlingSpec, plan: HandlingPlan, options: HandlingOptions) {
    this.spec = spec
    this.plan = plan
    this.options = options
    this.counts = plan.unfinished?.counts ?? NO_COUNTS
    this.operation = {
      operation: plan.id,
      command: `dlq ${spec.request.action}`,
      planHash: plan.hash,
      details: {
        letters: spec.letterTopic,
        request: plan.requestText,
        ...(plan.unfinished !== undefined && { goesOn: 'yes' }),
      },
    }
  }

  async run(): Promise<HandlingOutcome> {
    const { clock, signal } = this.spec
    let finished = false
    try {
      for (let attempt = 1; !finished && !signal.aborted; attempt++) {
        try {
          finished = await this.attempt()
        } catch (error) {
          if (!mayPass(error) || attempt >= ATTEMPTS_MAX) throw error
          this.options.onRetry?.(error.message)
          await sleep(clock, BACKOFF_MS, signal)
        }
      }
      if (!finished) await writeAudit(this.spec, this.audit('interrupted'))
    } catch (error) {
      // What went wrong matters more than that it cannot be written down.
      await writeAudit(this.spec, this.audit('failed', error)).catch(() => undefined)
      throw error
    }
    return { counts: this.counts, tally: this.tally, finished }
  }

  /** Takes the work over and goes on; true at the end, false when it was stopped. */
  private async attempt(): Promise<boolean> {
    const session = await HandlingSession.open(this.spec, this.plan)
    try {
      this.tally = new LetterTally()
      this.counts = session.run.counts
      return session.run.finished || (await this.work(session))
    } finally {
      await session.close()
    }
  }

  private async work(session: HandlingSession): Promise<boolean> {
    const { log, request, letterTopic, applicationId, signal } = this.spec
    const { letters } = this.plan
    const judge = new LetterJudge(request, { letters, applicationId, runId: session.run.id })
    const scan = new LetterScan(log, letterTopic, session.marks, judge)
    for (const range of await letterRanges(log, letters, session.run.ends.map(BigInt))) {
      const front = new Front(session, range.partition)
      for await (const judged of scan.read(range)) {
        for (const one of judged) {
          if (!(await this.take(session, front, one))) return false
        }
      }
      if (range.to > range.from) front.pass(range.to)
    }
    if (signal.aborted) return false
    await this.commit(session, true)
    return true
  }

  /** Does with a letter what is to be done; false when the work is to stop. */
  private async take(session: HandlingSession, front: Front, one: JudgedLetter): Promise<boolean> {
    const { letter, verdict } = one
    this.tally.add(one)
    if (verdict.kind !== 'handle') {
      const isOpen = session.marks.of(letter) === undefined
      if (isOpen) front.stop(letter.offset)
      return true
    }
    if (verdict.how === 'replayed') await this.waitForTurn(session)
    if (this.spec.signal.aborted) {
      if (session.pending > 0) await this.commit(session, false)
      return false
    }
    session.add(letter, verdict)
    front.pass(letter.offset + 1n)
    if (session.pending >= TRANSACTION_LETTERS || session.pendingBytes >= TRANSACTION_BYTES) {
      await this.commit(session, false)
    }
    return true
  }

  private async waitForTurn(session: HandlingSession): Promise<void> {
    const { newRateLimit } = this.options
    const { clock, signal } = this.spec
    if (newRateLimit === undefined) return
    this.limit ??= newRateLimit()
    for (this.owed += this.limit.due(); this.owed < 1 && !signal.aborted; this.owed += this.limit.due()) {
      if (session.pending > 0) await this.commit(session, false)
      await sleep(clock, Math.max(TICK_MS, this.limit.waitMs()), signal)
    }
    this.owed--
  }

  private async commit(session: HandlingSession, finished: boolean): Promise<void> {
    const { pending } = session
    const total = this.handled + pending
    const audit: AuditRecord[] = []
    if (!this.begun) audit.push(this.audit('begun', undefined, session.run.counts))
    if (finished) audit.push(this.audit('ok', undefined, session.countsAfter))
    await session.commit(finished, audit)
    this.begun = true
    this.handled = total
    this.counts = session.run.counts
    this.options.onProgress?.(total)
  }

  private audit(result: AuditResult, error?: unknown, counts = this.counts): AuditRecord {
    const { tally } = this
    const left = result === 'begun' ? {} : { refused: tally.refusals, passedOver: tally.notMeant }
    return auditRecord(this.spec, this.operation, result, { ...counts, ...left }, error)
  }
}

/** Up to where nothing of a partition is open: it stops at the first letter that stays so. */
class Front {
  private readonly session: HandlingSession
  private readonly partition: number
  private stopped = false

  constructor(session: HandlingSession, partition: number) {
    this.session = session
    this.partition = partition
  }

  /** Everything in front of `offset` is dealt with, but for what it stopped at. */
  pass(offset: Offset): void {
    if (!this.stopped) this.session.moveTo(this.partition, offset)
  }

  /** The letter at `offset` stays open. */
  stop(offset: Offset): void {
    this.pass(offset)
    this.stopped = true
  }
}

/** Whether taking the work over again and going on from what is marked can help. */
function mayPass(error: unknown): error is Error {
  return (
    error instanceof RetriableError || error instanceof AbortableError || error instanceof UnknownOutcomeError
  )
}
