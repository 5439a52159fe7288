import { describe, expect, it } from 'vitest'
import { failure } from '../../../../contract/log/harness.ts'
import { brokenConnection, FakeKafka } from '../../../../support/fake-kafka.ts'

const unknown = (name: string): object => ({ code: 3, name, topicId: '', internal: false, partitions: [] })

describe('a cluster', () => {
  it('is opened by whichever broker answers', async () => {
    const kafka = new FakeKafka().withTopic([1])
    kafka.opening = (broker) => {
      if (broker === 'one:1') throw brokenConnection()
    }
    await kafka.run(kafka.cluster().open(1_000))
    expect(kafka.requests).toEqual(['two:2 Metadata 12'])
  })

  it('is not opened when nobody answers in time, and says whom it asked', async () => {
    const kafka = new FakeKafka()
    kafka.opening = () => {
      throw brokenConnection()
    }
    const opening = kafka.run(kafka.cluster().open(1_000))
    await expect(opening).rejects.toEqual(failure('FatalError', 'LOG_UNREACHABLE'))
    await expect(opening).rejects.toThrow('one:1, two:2')
    expect(kafka.clock.monotonic()).toBeLessThan(1_500)
  })

  it('is not asked again and again where the credentials are wrong', async () => {
    const kafka = new FakeKafka()
    let attempts = 0
    kafka.opening = () => {
      attempts += 1
      throw Object.assign(new Error('SASL PLAIN authentication failed: Invalid username or password'), {
        name: 'KafkaJSSASLAuthenticationError',
      })
    }
    const refused = failure('FatalError', 'AUTHENTICATION_FAILED')
    await expect(kafka.run(kafka.cluster().open(60_000))).rejects.toEqual(refused)
    expect(attempts).toBe(1)
  })

  it('asks for the place of a topic once, and again when it was forgotten', async () => {
    const kafka = new FakeKafka().withTopic([1, 2])
    const cluster = kafka.cluster()
    for (let i = 0; i < 3; i += 1) {
      expect((await cluster.locate(['t'])).get('t')).toEqual({ topicId: 'a'.repeat(32), leaders: [1, 2] })
    }
    expect(kafka.requests).toHaveLength(1)
    cluster.forgetPlace('t')
    await cluster.locate(['t'])
    expect(kafka.requests).toHaveLength(2)
  })

  it('takes a topic for absent only when it was not found three times', async () => {
    const kafka = new FakeKafka()
    let looks = 0
    kafka.on('Metadata', () => {
      looks += 1
      return kafka.metadata([unknown('t') as never])
    })
    const found = await kafka.run(kafka.cluster().locate(['t']))
    expect(found.get('t')).toEqual(failure('FatalError', 'TOPIC_UNKNOWN'))
    expect(looks).toBe(3)
  })

  it('finds a topic that one broker does not know yet', async () => {
    const kafka = new FakeKafka()
    let looks = 0
    kafka.on('Metadata', () => {
      looks += 1
      const partitions = [{ code: 0, partition: 0, leader: 1, replicas: 1 }]
      const known = { code: 0, name: 't', topicId: 'x', internal: false, partitions, operations: 0 }
      return kafka.metadata([looks < 3 ? (unknown('t') as never) : known])
    })
    expect((await kafka.run(kafka.cluster().locate(['t']))).get('t')).toEqual({ topicId: 'x', leaders: [1] })
  })

  it('tells that a topic must not be seen, at once', async () => {
    const kafka = new FakeKafka()
    kafka.on('Metadata', () => kafka.metadata([{ ...unknown('t'), code: 29 } as never]))
    expect((await kafka.cluster().locate(['t'])).get('t')).toEqual(failure('FatalError', 'ACCESS_DENIED'))
    expect(kafka.requests).toHaveLength(1)
  })

  it('remembers a coordinator until it is forgotten', async () => {
    const kafka = new FakeKafka().on('FindCoordinator', () => ({ code: 0, nodeId: 2, host: 'two', port: 2 }))
    const cluster = kafka.cluster()
    expect(await cluster.coordinator('group', 'g')).toEqual({ host: 'two', port: 2 })
    await cluster.coordinator('group', 'g')
    expect(kafka.requests).toHaveLength(1)
    cluster.forgetCoordinator('group', 'g')
    await cluster.coordinator('group', 'g')
    expect(kafka.requests).toHaveLength(2)
  })

  it('uses the level of the finalised feature only', async () => {
    const features = new Map([['transaction.version', 2]])
    const kafka = new FakeKafka().on('ApiVersions', () => ({ features }))
    expect(await kafka.cluster().transactionVersion()).toBe(2)
    features.clear()
    expect(await kafka.cluster().transactionVersion()).toBe(0)
  })
})
