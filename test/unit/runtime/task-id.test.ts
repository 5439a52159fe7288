import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTaskName, taskName } from '../../../src/runtime/task-id.ts'

const numbers = fc.oneof(fc.nat(20), fc.nat(999_999_999))

describe('a task name', () => {
  it('is sub-topology and partition, as Kafka Streams writes them', () => {
    expect(taskName({ subTopology: 0, partition: 3 })).toBe('0_3')
  })

  it('leads back to its task', () => {
    fc.assert(
      fc.property(numbers, numbers, (subTopology, partition) => {
        expect(parseTaskName(taskName({ subTopology, partition }))).toEqual({ subTopology, partition })
      }),
      { seed: 401, numRuns: 200 },
    )
  })

  it.each([
    '',
    '0',
    '_',
    '0_',
    '_0',
    '0_1_2',
    '-1_0',
    '0_-1',
    '1.5_0',
    'a_b',
    ' 0_1',
    '0_1\n',
    '0_1234567890',
  ])('is not %j', (text) => {
    expect(parseTaskName(text)).toBeUndefined()
  })

  it.each(['00_1', '0_01'])('is not %j, which no task is called', (text) => {
    expect(parseTaskName(text)).toBeUndefined()
  })
})
