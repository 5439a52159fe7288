import { describe, expect, it } from 'vitest'
import { askLeaders } from '../../../../../src/log/kafka/cluster/at-leaders.ts'
import { FatalError } from '../../../../../src/errors.ts'
import { failure } from '../../../../contract/log/harness.ts'
import { FakeKafka } from '../../../../support/fake-kafka.ts'

const items = [1, 0, 2].map((partition) => ({ topic: 't', partition }))

describe('requests to leaders', () => {
  it('go to each leader once, and their answers come in the order asked', async () => {
    const kafka = new FakeKafka().withTopic([1, 2, 1])
    const asked: string[] = []
    const outcomes = await askLeaders(
      kafka.cluster(),
      items,
      async ({ host }, members) => {
        asked.push(`${host} ${members.map(({ partition }) => partition).join()}`)
        return members.map(({ topic, partition }) => ({ topic, partition, code: 0, host }))
      },
      () => new Error('none fails'),
    )
    expect(asked.sort()).toEqual(['one 0,2', 'two 1'])
    expect(outcomes.map(({ partition, host }) => `${partition} ${host}`)).toEqual(['1 two', '0 one', '2 one'])
  })

  it('are repeated only for partitions whose leader has moved, at the new leader', async () => {
    const kafka = new FakeKafka().withTopic([1, 1, 1])
    const asked: string[] = []
    const work = askLeaders(
      kafka.cluster(),
      items,
      async ({ host }, members) => {
        asked.push(`${host} ${members.map(({ partition }) => partition).join()}`)
        kafka.withTopic([1, 2, 1])
        return members.map(({ topic, partition }) => {
          return { topic, partition, code: host === 'one' && partition === 1 ? 6 : 0 }
        })
      },
      () => new Error('none fails'),
    )
    expect(await kafka.run(work)).toHaveLength(3)
    expect(asked).toEqual(['one 1,0,2', 'two 1'])
  })

  it('fail with what is said of other codes', async () => {
    const kafka = new FakeKafka().withTopic([1, 1, 1])
    const work = askLeaders(
      kafka.cluster(),
      items,
      async (_, members) => members.map(({ topic, partition }) => ({ topic, partition, code: partition })),
      ({ code }) => new FatalError(`CODE_${code}`, 'refused'),
    )
    await expect(kafka.run(work)).rejects.toEqual(failure('FatalError', 'CODE_1'))
  })

  it('fail where a partition does not exist, and give up where one has no leader for long', async () => {
    const kafka = new FakeKafka().withTopic([1, -1])
    const ask = (partition: number): Promise<unknown> => {
      const one = [{ topic: 't', partition }]
      return kafka.run(
        askLeaders(
          kafka.cluster(),
          one,
          async () => [],
          () => new Error('none is asked'),
        ),
      )
    }
    await expect(ask(2)).rejects.toEqual(failure('FatalError', 'TOPIC_UNKNOWN'))
    await expect(ask(1)).rejects.toEqual(failure('RetriableError', 'LEADER_NOT_AVAILABLE'))
  })
})
