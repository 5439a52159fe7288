import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parkedHeaders, republishedHeaders } from '../../../../src/jobs/dead-letters/republication.ts'
import type { RecordHeader } from '../../../../src/log/record-batch-builder.ts'
import { DEAD_LETTER, REPLAY } from '../../../../src/runtime/header-names.ts'
import { letterOf, textsOf } from '../../../support/dead-letters.ts'
import { failureHeaders, header, letterFrom } from '../../../support/letters.ts'

const replay = { id: 'r-1', topic: 'readings.dlq' }
const isOfReplay = ({ key }: RecordHeader): boolean => (Object.values(REPLAY) as string[]).includes(key)

describe('a record that is put back', () => {
  it('has the headers it had when it failed, and those that name the replay', () => {
    const value = fc.option(fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)))
    // Also headers that look like those of a failure: of an application that reads dead letters.
    const key = fc.constantFrom('unit', 'ingested-at', '', ...Object.values(DEAD_LETTER).slice(0, 8))
    fc.assert(
      fc.property(fc.array(fc.record({ key, value }), { maxLength: 12 }), (headers) => {
        const {
          timestampMs,
          key: itsKey,
          value: itsValue,
          headers: written,
        } = letterOf({ offset: 9, key: 'k', value: 'v', headers })
        const letter = letterFrom({ offset: 5, timestampMs, key: itsKey, value: itsValue, headers: written })
        const back = republishedHeaders(letter, replay)
        expect(back.filter((one) => !isOfReplay(one))).toEqual(headers)
        expect(textsOf(back.filter(isOfReplay))).toEqual({
          [REPLAY.id]: 'r-1',
          [REPLAY.attempts]: '1',
          [REPLAY.deadLetter]: 'readings.dlq/0@5',
        })
      }),
      { seed: 3, numRuns: 300 },
    )
  })

  it('names the newest replay only', () => {
    const earlier = [header('unit', 'K'), header(REPLAY.id, 'r-0'), header(REPLAY.attempts, '1')]
    const letter = letterFrom({ headers: [...earlier, ...failureHeaders({ [DEAD_LETTER.attempt]: '2' })] })
    expect(republishedHeaders(letter, replay).map(({ key, value }) => [key, String(value)])).toEqual([
      ['unit', 'K'],
      [REPLAY.id, 'r-1'],
      [REPLAY.attempts, '2'],
      [REPLAY.deadLetter, 'readings.dlq/0@5'],
    ])
  })
})

describe('the attempts of a record', () => {
  const again = (attempts: string): string => {
    const headers = [header(REPLAY.attempts, attempts)]
    return textsOf(letterOf({ offset: 9, key: 'k', value: 'v', headers }).headers)[DEAD_LETTER.attempt]!
  }

  it('count on when it comes back to the dead letters after a replay', () => {
    expect([again('1'), again('41')]).toEqual(['2', '42'])
  })

  it('begin anew where the header is none of a replay', () => {
    expect([again('many'), again(''), again('-3'), again('9'.repeat(40))]).toEqual(['1', '1', '1', '1'])
  })
})

describe('a letter that is parked', () => {
  it('stays the dead letter it was, and says where it lay', () => {
    const letter = letterFrom()
    expect(parkedHeaders(letter, replay)).toEqual([
      ...letter.headers,
      header(REPLAY.deadLetter, 'readings.dlq/0@5'),
    ])
  })
})
