import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPosition, parsePosition } from '../../../../src/jobs/dead-letters/letter.ts'
import { DEAD_LETTER } from '../../../../src/runtime/header-names.ts'
import { failureHeaders, header, letterFrom } from '../../../support/letters.ts'

describe('a dead letter', () => {
  it('is described by its headers', () => {
    expect(letterFrom({ timestampMs: 99 }, 3)).toMatchObject({
      partition: 3,
      offset: 5n,
      timestampMs: 99,
      kind: 'record',
      key: Buffer.from('k'),
      value: Buffer.from('v'),
      source: { topic: 'readings', partition: 1, offset: 17n },
      code: 'BROKEN',
      stage: 'sums',
      exception: 'RecordError',
      message: 'it is broken',
      attempt: 1,
      failedAtMs: 1_700_000_000_000,
    })
  })

  it('of Kafka Streams itself is one too: what only millrace says may be missing', () => {
    const names = [DEAD_LETTER.topic, DEAD_LETTER.partition, DEAD_LETTER.offset, DEAD_LETTER.exception]
    const headers = failureHeaders().filter(({ key }) => names.includes(key as never))
    expect(letterFrom({ headers })).toMatchObject({
      kind: 'record',
      code: 'UNKNOWN',
      stage: '',
      attempt: 1,
      failedAtMs: undefined,
    })
  })

  it('has of headers with the same name the last: it may have been a dead letter before', () => {
    const headers = [
      ...failureHeaders({ [DEAD_LETTER.topic]: 'first', [DEAD_LETTER.code]: 'FIRST' }),
      ...failureHeaders(),
    ]
    expect(letterFrom({ headers })).toMatchObject({ source: { topic: 'readings' }, code: 'BROKEN' })
  })

  it.each([
    ['a line of a file', 'line', { [DEAD_LETTER.file]: 'a.csv', [DEAD_LETTER.line]: '3' }],
    ['a result of a window', 'result', { [DEAD_LETTER.windowStart]: '0', [DEAD_LETTER.windowEnd]: '10' }],
    ['a record that was cut', 'cut', { [DEAD_LETTER.valueBytes]: '9', [DEAD_LETTER.valueSha256]: 'ab' }],
  ])('is told apart from %s', (_what, kind, headers) => {
    expect(letterFrom({ headers: failureHeaders(headers) }).kind).toBe(kind)
  })

  it.each([
    ['no headers at all', []],
    ['no topic', failureHeaders().filter(({ key }) => key !== DEAD_LETTER.topic)],
    ['a topic that cannot be', failureHeaders({ [DEAD_LETTER.topic]: '../x' })],
    ['an empty topic', failureHeaders({ [DEAD_LETTER.topic]: '' })],
    ['a partition that is none', failureHeaders({ [DEAD_LETTER.partition]: '-1' })],
    ['a partition beyond all', failureHeaders({ [DEAD_LETTER.partition]: '9999999' })],
    ['an offset that is none', failureHeaders({ [DEAD_LETTER.offset]: '1e3' })],
    ['an offset that no number holds', failureHeaders({ [DEAD_LETTER.offset]: '9'.repeat(30) })],
    ['an attempt of zero', failureHeaders({ [DEAD_LETTER.attempt]: '0' })],
    ['a time that is none', failureHeaders({ [DEAD_LETTER.time]: 'yesterday' })],
    [
      'bytes instead of a partition',
      [...failureHeaders(), { key: DEAD_LETTER.partition, value: Buffer.from([255]) }],
    ],
    ['null instead of a partition', [...failureHeaders(), { key: DEAD_LETTER.partition, value: null }]],
  ])('with %s is foreign', (_what, headers) => {
    expect(letterFrom({ headers })).toMatchObject({
      kind: 'foreign',
      code: 'FOREIGN',
      source: { topic: '', partition: undefined, offset: undefined },
      attempt: 1,
      failedAtMs: undefined,
    })
  })

  it('never makes trouble, whatever its headers hold', () => {
    const names = fc.constantFrom(...Object.values(DEAD_LETTER), 'unit', '')
    const value = fc.oneof(
      fc.constant(null),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('0', '1', '-1', 'NaN', '1e9', '007', ' 1').map((text) => Buffer.from(text)),
    )
    const headers = fc.array(fc.record({ key: names, value }), { maxLength: 14 })
    fc.assert(
      fc.property(headers, (made) => {
        const letter = letterFrom({ headers: [...failureHeaders().slice(0, 5), ...made] })
        expect(Number.isSafeInteger(letter.attempt) && letter.attempt >= 1).toBe(true)
        expect(letter.kind === 'foreign').toBe(letter.source.topic === '')
        expect(letter.headers).toHaveLength(5 + made.length)
      }),
      { seed: 17, numRuns: 500 },
    )
  })

  it('may have a header without value', () => {
    expect(
      letterFrom({ headers: [...failureHeaders(), { key: 'unit', value: null }, header('a', 'b')] }),
    ).toMatchObject({ kind: 'record' })
  })
})

describe('a position', () => {
  it('is written and read', () => {
    expect(formatPosition({ partition: 2, offset: 17n })).toBe('2@17')
    expect(parsePosition('2@17')).toEqual({ partition: 2, offset: 17n })
  })

  it.each([
    '',
    '2',
    '@',
    '2@',
    '@17',
    '-1@3',
    '1@-3',
    '1@2@3',
    ' 1@2',
    '1@2 ',
    '../1@2',
    '1@0x3',
    `1@${'9'.repeat(17)}`,
  ])('is not "%s"', (text) => expect(parsePosition(text)).toBeUndefined())

  it('has no offset that a number cannot hold', () => {
    expect(parsePosition(`0@${Number.MAX_SAFE_INTEGER}`)).toBeDefined()
    expect(parsePosition(`0@${BigInt(Number.MAX_SAFE_INTEGER) + 1n}`)).toBeUndefined()
  })
})
