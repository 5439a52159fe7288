import { describe, expect, it } from 'vitest'
import type { HandledMark } from '../../../../src/jobs/dead-letters/handled-marks.ts'
import type { Letter } from '../../../../src/jobs/dead-letters/letter.ts'
import { LetterJudge, type HandlingRequest, type Refusal } from '../../../../src/jobs/dead-letters/verdict.ts'
import type { TopicDescription } from '../../../../src/log/log.ts'
import { partitionForKey } from '../../../../src/log/partitioner.ts'
import { DEAD_LETTER } from '../../../../src/runtime/header-names.ts'
import { failureHeaders, letterFrom, REPLAY_ALL } from '../../../support/letters.ts'

const settings = {
  cleanup: 'delete',
  retentionMs: -1,
  deleteRetentionMs: 0,
  maxMessageBytes: 10_000,
  timestampType: 'create',
} as const
const topicOf = (name: string, partitions: number): TopicDescription => ({
  name,
  topicId: `id of ${name}`,
  partitions,
  settings,
  limits: {
    timestampBeforeMaxMs: Infinity,
    timestampAfterMaxMs: Infinity,
    compactsAndDeletes: false,
    replicas: 1,
    minInsyncReplicas: 1,
    brokers: 1,
    mayRead: true,
    mayWrite: true,
  },
})
const letters = topicOf('readings.dlq', 2)
const topics = new Map([['readings', topicOf('readings', 4)]])
const mark: HandledMark = {
  formatVersion: 1,
  topicId: letters.topicId,
  handling: 'replayed',
  run: 'r-0',
  by: 'x',
  atMs: 0,
}

function verdictOf(letter: Letter, request: Partial<HandlingRequest> = {}, marked?: HandledMark): unknown {
  const judge = new LetterJudge(
    { ...REPLAY_ALL, ...request },
    { letters, applicationId: 'sensors', runId: 'r-1' },
  )
  return judge.judge(letter, marked, topics)
}
const withHeaders = (overrides: Record<string, string>): Letter =>
  letterFrom({ headers: failureHeaders(overrides) })

describe('a letter that is meant', () => {
  it('is put back into the partition that its headers name', () => {
    expect(verdictOf(letterFrom())).toMatchObject({
      kind: 'handle',
      how: 'replayed',
      topic: 'readings',
      partition: 1,
    })
  })

  it('that names no partition goes by its key, without a key by its own place', () => {
    const headers = failureHeaders().filter(({ key }) => key !== DEAD_LETTER.partition)
    expect(verdictOf(letterFrom({ headers, key: 'sensor-9' }))).toMatchObject({
      partition: partitionForKey('sensor-9', 4),
    })
    expect(verdictOf(letterFrom({ headers, key: null }, 1))).toMatchObject({ partition: 1 })
  })

  it('is parked when it was tried as often as is allowed, and not before', () => {
    const tried = (attempt: string): unknown =>
      verdictOf(withHeaders({ [DEAD_LETTER.attempt]: attempt }), { maxAttempts: 3 })
    expect(tried('2')).toMatchObject({ how: 'replayed' })
    expect(tried('3')).toMatchObject({ how: 'parked', topic: 'readings.dlq.parked', partition: 0 })
    expect(tried('9')).toMatchObject({ how: 'parked' })
  })

  it('is passed over by a filter that does not fit, whatever else is wrong with it', () => {
    expect(verdictOf(letterFrom({ headers: [] }), { filter: { codes: ['BROKEN'] } })).toEqual({
      kind: 'not-meant',
    })
  })

  it('is left alone when it is handled, unless asked again; and by the same run in any case', () => {
    expect(verdictOf(letterFrom(), {}, mark)).toEqual({ kind: 'handled' })
    expect(verdictOf(letterFrom(), { again: true }, mark)).toMatchObject({ kind: 'handle' })
    expect(verdictOf(letterFrom(), { again: true }, { ...mark, run: 'r-1' })).toEqual({ kind: 'handled' })
  })

  it.each<[Refusal, Letter]>([
    ['foreign', letterFrom({ headers: [] })],
    ['cut', withHeaders({ [DEAD_LETTER.valueBytes]: '7' })],
    ['result', withHeaders({ [DEAD_LETTER.windowStart]: '0' })],
    ['line', withHeaders({ [DEAD_LETTER.file]: 'a.csv' })],
    ['loop', withHeaders({ [DEAD_LETTER.topic]: 'readings.dlq' })],
    ['protected', withHeaders({ [DEAD_LETTER.topic]: '__consumer_offsets' })],
    ['protected', withHeaders({ [DEAD_LETTER.topic]: 'sensors-commits-0' })],
    ['protected', withHeaders({ [DEAD_LETTER.topic]: 'readings.dlq.handled' })],
    ['protected', withHeaders({ [DEAD_LETTER.topic]: 'sensors.audit' })],
    ['source-missing', withHeaders({ [DEAD_LETTER.topic]: 'gone' })],
    ['partition-missing', withHeaders({ [DEAD_LETTER.partition]: '4' })],
    ['too-large', letterFrom({ value: Buffer.alloc(8_900) })],
  ])('is refused and stays open: %s', (why, letter) => {
    expect(verdictOf(letter)).toEqual({ kind: 'refused', why })
  })

  it('is discarded whatever it is', () => {
    const discard = { action: 'discard' } as const
    for (const letter of [
      letterFrom(),
      letterFrom({ headers: [] }),
      withHeaders({ [DEAD_LETTER.file]: 'a' }),
    ]) {
      expect(verdictOf(letter, discard)).toMatchObject({ kind: 'handle', how: 'discarded' })
    }
    expect(verdictOf(letterFrom(), discard, mark)).toEqual({ kind: 'handled' })
  })
})
