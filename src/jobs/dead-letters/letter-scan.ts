/** Goes through dead letters and says of each what is to be done with it. */
import type { Log, TopicDescription } from '../../log/log.ts'
import type { HandledMarks, Handling } from './handled-marks.ts'
import type { Letter } from './letter.ts'
import { readLetters, type LetterRange } from './read-letters.ts'
import type { LetterJudge, Refusal, Verdict } from './verdict.ts'

/** A letter, and what is to be done with it. */
export interface JudgedLetter {
  readonly letter: Letter
  readonly verdict: Verdict
}

/** What was to be done with the letters that were gone through. */
export class LetterTally {
  readonly handle: Record<Handling, number> = { replayed: 0, parked: 0, discarded: 0 }
  /** Meant, but handled before. */
  handled = 0
  /** The filter passes over them. */
  notMeant = 0
  readonly refused = new Map<Refusal, number>()

  add({ verdict }: JudgedLetter): void {
    switch (verdict.kind) {
      case 'handle':
        this.handle[verdict.how]++
        break
      case 'handled':
        this.handled++
        break
      case 'not-meant':
        this.notMeant++
        break
      case 'refused':
        this.refused.set(verdict.why, (this.refused.get(verdict.why) ?? 0) + 1)
    }
  }

  /** How many there is something to do with. */
  get toHandle(): number {
    const { replayed, parked, discarded } = this.handle
    return replayed + parked + discarded
  }

  /** How many cannot be put back, for whatever reason. */
  get refusals(): number {
    return [...this.refused.values()].reduce((sum, count) => sum + count, 0)
  }
}

/** A walk over the letters of a topic. */
export class LetterScan {
  private readonly log: Log
  private readonly topic: string
  private readonly marks: HandledMarks
  private readonly judge: LetterJudge
  private readonly sources = new Map<string, TopicDescription>()
  private readonly asked = new Set<string>()

  constructor(log: Log, topic: string, marks: HandledMarks, judge: LetterJudge) {
    this.log = log
    this.topic = topic
    this.marks = marks
    this.judge = judge
  }

  /** The letters of a range with their verdicts, as they are fetched. */
  async *read(range: LetterRange): AsyncGenerator<readonly JudgedLetter[]> {
    for await (const letters of readLetters(this.log, this.topic, range)) {
      await this.learnSources(letters)
      yield letters.map((letter) => ({
        letter,
        verdict: this.judge.judge(letter, this.marks.of(letter), this.sources),
      }))
    }
  }

  private async learnSources(letters: readonly Letter[]): Promise<void> {
    const named = new Set(letters.map(({ source }) => source.topic))
    const unknown = [...named].filter((topic) => !this.asked.has(topic) && this.judge.mayBeSource(topic))
    if (unknown.length === 0) return
    for (const topic of unknown) this.asked.add(topic)
    for (const [name, topic] of await this.log.describeTopics(unknown)) this.sources.set(name, topic)
  }
}
