import { describe, expect, it } from 'vitest'
import { DEAD_LETTER, LATE } from '../../../src/runtime/header-names.ts'
import { deadLetterOf, deadLetterOfResult, lateHeaders } from '../../../src/runtime/side-outputs.ts'
import { inputRecord } from '../../support/chunks.ts'
import {
  clock,
  failedBy,
  failure,
  isTaken,
  letterOf,
  MAX_RECORD_BYTES,
  textsOf,
} from '../../support/dead-letters.ts'

describe('the dead letter of a record', () => {
  it('keeps key, value, time and headers as they came', () => {
    const headers = [
      { key: 'unit', value: Buffer.from('K') },
      { key: 'unit', value: null },
    ]
    const letter = letterOf({ offset: 7, timestampMs: 55, key: 'k', value: '{"broken', headers })
    expect(letter).toMatchObject({ timestampMs: 55, key: Buffer.from('k'), value: Buffer.from('{"broken') })
    expect(letter.headers.slice(0, 2)).toEqual(headers)
  })

  it('keeps null keys and values null', () => {
    expect(letterOf({ offset: 7, key: null, value: null })).toMatchObject({ key: null, value: null })
  })

  it('says where the record came from, what went wrong, where and when', () => {
    const record = inputRecord({ offset: 7, key: 'k', value: 'v' })
    record.attempt = 3
    const headers = textsOf(deadLetterOf(record, failure, clock, MAX_RECORD_BYTES).headers)
    expect(headers).toEqual({
      [DEAD_LETTER.exception]: 'RecordError',
      [DEAD_LETTER.message]: 'no value',
      [DEAD_LETTER.stacktrace]: expect.stringContaining('RecordError: no value'),
      [DEAD_LETTER.topic]: 'readings',
      [DEAD_LETTER.partition]: '3',
      [DEAD_LETTER.offset]: '7',
      [DEAD_LETTER.stage]: 'sums',
      [DEAD_LETTER.code]: 'VALUE_MISSING',
      [DEAD_LETTER.attempt]: '3',
      [DEAD_LETTER.time]: '1700000000000',
    })
  })

  it('names the place in the origin for a record behind a repartition', () => {
    const record = inputRecord(
      { offset: 7 },
      { channel: 4, topic: 'source', partition: 9, isReplay: false },
      41,
    )
    const headers = textsOf(deadLetterOf(record, failure, clock, MAX_RECORD_BYTES).headers)
    expect([headers[DEAD_LETTER.topic], headers[DEAD_LETTER.partition], headers[DEAD_LETTER.offset]]).toEqual(
      ['source', '9', '41'],
    )
  })

  it.each([
    ['a text', 'string', 'oops'],
    ['nothing', 'undefined', undefined],
    ['an object', 'object', { code: 'ENOSPC' }],
  ])('describes %s that was thrown instead of an error', (_what, type, thrown) => {
    const headers = textsOf(letterOf({ offset: 0 }, MAX_RECORD_BYTES, failedBy(thrown)).headers)
    expect(headers[DEAD_LETTER.exception]).toBe(type)
    expect(headers[DEAD_LETTER.message]).toBe(String(thrown))
    expect(headers[DEAD_LETTER.stacktrace]).toBe('')
    expect(headers[DEAD_LETTER.code]).toBe(type === 'object' ? 'ENOSPC' : 'RECORD_FAILED')
  })

  it('cuts messages and stack traces that nobody would read', () => {
    const error = new Error('m'.repeat(50_000))
    const headers = textsOf(letterOf({ offset: 0 }, MAX_RECORD_BYTES, failedBy(error)).headers)
    expect(headers[DEAD_LETTER.message]!.length).toBeLessThanOrEqual(1_000)
    expect(headers[DEAD_LETTER.stacktrace]!.length).toBeLessThanOrEqual(4_000)
  })
})

describe('the dead letter of a window result', () => {
  const result = {
    topic: 'results:hourly',
    partition: 2,
    position: 12,
    key: Buffer.from('k'),
    value: Buffer.from('{"sum":5}'),
    timestampMs: 599,
    windowStartMs: 0,
    windowEndMs: 600,
  }

  it('keeps key and aggregate, and names the window', () => {
    const letter = deadLetterOfResult(result, failure, clock, MAX_RECORD_BYTES)
    expect(letter).toMatchObject({ timestampMs: 599, key: result.key, value: result.value })
    expect(textsOf(letter.headers)).toMatchObject({
      [DEAD_LETTER.topic]: 'results:hourly',
      [DEAD_LETTER.partition]: '2',
      [DEAD_LETTER.offset]: '12',
      [DEAD_LETTER.windowStart]: '0',
      [DEAD_LETTER.windowEnd]: '600',
      [DEAD_LETTER.stage]: 'sums',
    })
  })

  it('is cut where it is too large', () => {
    const large = { ...result, value: Buffer.alloc(100_000, 7) }
    const letter = deadLetterOfResult(large, failure, clock, 50_000)
    expect(isTaken(letter, 50_000)).toBe(true)
    expect(textsOf(letter.headers)[DEAD_LETTER.valueBytes]).toBe('100000')
  })
})

describe('the headers of a late record', () => {
  const details = {
    reason: 'late',
    watermarkMs: 700,
    stage: 'hourly',
    windowStartsMs: [0, 60],
    topic: 'readings',
    partition: 3,
    offset: 2n ** 60n,
  } as const

  it('say why it is late, by which watermark, for which windows, and where it came from', () => {
    expect(textsOf(lateHeaders(details))).toEqual({
      [LATE.reason]: 'late',
      [LATE.watermark]: '700',
      [LATE.stage]: 'hourly',
      [LATE.windows]: '0,60',
      [LATE.topic]: 'readings',
      [LATE.partition]: '3',
      [LATE.offset]: '1152921504606846976',
    })
  })

  it('say "none" for the watermark before the first record', () => {
    expect(textsOf(lateHeaders({ ...details, watermarkMs: -Infinity }))[LATE.watermark]).toBe('none')
  })
})
