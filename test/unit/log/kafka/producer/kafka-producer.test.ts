import { describe, expect, it } from 'vitest'
import { KafkaLog } from '../../../../../src/log/kafka/kafka-log.ts'
import type { LogProducer, OutgoingBatch } from '../../../../../src/log/log.ts'
import { batchOf, failure } from '../../../../contract/log/harness.ts'
import { brokenConnection, FakeKafka, type FakeAnswer } from '../../../../support/fake-kafka.ts'

const OK = { code: 0 }
const identity = (producerId: number, epoch: number): object => ({
  identity: { producerId: BigInt(producerId), epoch },
})

/** A broker on which everything works; each test says what does not. */
function newKafka(transactionVersion: 1 | 2): FakeKafka {
  let epoch = 0
  return new FakeKafka()
    .withTopic([1, 2])
    .on('ApiVersions', () => ({ features: new Map([['transaction.version', transactionVersion]]) }))
    .on('FindCoordinator', () => ({ ...OK, nodeId: 1, host: 'one', port: 1 }))
    .on('InitProducerId', () => ({ ...OK, ...identity(7, epoch++) }))
    .on('AddPartitionsToTxn', () => ({ partitions: [{ topic: 't', partition: 0, code: 0 }] }))
    .on('AddOffsetsToTxn', () => OK)
    .on('TxnOffsetCommit', () => ({ partitions: [{ topic: 't', partition: 0, code: 0 }] }))
    .on('EndTxn', () => ({ ...OK, ...identity(7, epoch++) }))
    .on('Produce', produced(0))
}

/** The answer to one batch for partition 0. */
function produced(code: number, offset = 0n): FakeAnswer {
  return () => ({ batches: [{ topic: 't', partition: 0, code, offset, message: null }] })
}

/** One answer after the other, the last one again and again. */
function inTurn(...answers: readonly (object | Error)[]): FakeAnswer {
  let next = 0
  return () => {
    const answer = answers[Math.min(next++, answers.length - 1)]!
    if (answer instanceof Error) throw answer
    return answer
  }
}

const broken = brokenConnection()
const batch = (): OutgoingBatch => batchOf({ topic: 't', partition: 0 }, 'value')

async function open(kafka: FakeKafka): Promise<LogProducer> {
  const log = new KafkaLog({
    cluster: kafka.cluster(),
    compression: 'none',
    transactionVersion: 2,
    replicas: -1,
  })
  const producer = await kafka.run(log.producer({ transactionalId: 'id', transactionTimeoutMs: 5_000 }))
  kafka.requests.length = 0
  return producer
}

/** The names of what was sent, metadata and look-ups left out. */
function sent(kafka: FakeKafka): string[] {
  const names = kafka.requests.map((request) => request.split(' ').slice(1).join(' '))
  return names.filter((name) => !/^(Metadata|FindCoordinator)/.test(name))
}

describe('a transaction', () => {
  it('is announced, written and ended by the older protocol', async () => {
    const kafka = newKafka(1)
    const producer = await open(kafka)
    producer.begin()
    await producer.send([batch()])
    await producer.send([batch()])
    await producer.addOffsets('g', [], { groupId: 'g', memberId: 'm', generation: 1 })
    await producer.commit()
    const written = ['AddPartitionsToTxn 3', 'Produce 9', 'Produce 9']
    expect(sent(kafka)).toEqual([...written, 'AddOffsetsToTxn 3', 'TxnOffsetCommit 3', 'EndTxn 3'])
  })

  it('announces nothing by Transactions V2', async () => {
    const kafka = newKafka(2)
    const producer = await open(kafka)
    producer.begin()
    await producer.send([batch()])
    await producer.addOffsets('g', [], { groupId: 'g', memberId: 'm', generation: 1 })
    await producer.commit()
    expect(sent(kafka)).toEqual(['Produce 12', 'TxnOffsetCommit 5', 'EndTxn 5'])
  })

  it('of which nothing was told is not ended either', async () => {
    const kafka = newKafka(2)
    const producer = await open(kafka)
    producer.begin()
    await producer.commit()
    producer.begin()
    await producer.abort()
    expect(sent(kafka)).toEqual([])
  })

  it('counts sequence numbers on by the older protocol, and afresh for each identity by V2', async () => {
    for (const [version, expected] of [
      [1, [0, 1, 2]],
      [2, [0, 1, 0]],
    ] as const) {
      const kafka = newKafka(version)
      const producer = await open(kafka)
      const sequences: number[] = []
      kafka.on('Produce', (request) => {
        // The batch is the last thing in the request, behind it the tags of partition, topic and request.
        const bytes = request.body.subarray(0, -3)
        const records = batch().records
        const size = records.build({ producerId: 0n, epoch: 0, baseSequence: 0, transactional: true }).length
        sequences.push(bytes.readInt32BE(bytes.length - size + 53))
        return produced(0)(request, '')
      })
      producer.begin()
      await producer.send([batch()])
      await producer.send([batch()])
      await producer.commit()
      producer.begin()
      await producer.send([batch()])
      expect(sequences).toEqual(expected)
    }
  })

  it('waits at most 20 ms at a time while the one before it is being completed', async () => {
    const kafka = newKafka(2)
    const producer = await open(kafka)
    const times: number[] = []
    kafka.on('Produce', (...args) => {
      times.push(kafka.clock.monotonic())
      return produced(times.length < 8 ? 51 : 0)(...args)
    })
    producer.begin()
    await kafka.run(producer.send([batch()]))
    const pauses = times.slice(1).map((time, i) => time - times[i]!)
    expect(pauses).toEqual([2, 4, 8, 16, 20, 20, 20])
  })

  it('is written again, elsewhere, when a leader has moved or a connection breaks', async () => {
    const kafka = newKafka(2)
    const producer = await open(kafka)
    kafka.on('Produce', (request, broker) => {
      if (broker === 'two:2') return produced(0, 42n)(request, broker)
      kafka.withTopic([2, 2])
      throw broken
    })
    producer.begin()
    expect(await kafka.run(producer.send([batch()]))).toEqual([42n])
  })

  it('can only be aborted once a part of it was not taken in time, and later parts are shut out then', async () => {
    const kafka = newKafka(1).on('Produce', produced(7))
    const producer = await open(kafka)
    producer.begin()
    await expect(kafka.run(producer.send([batch()]))).rejects.toEqual(
      failure('AbortableError', 'LOG_UNREACHABLE'),
    )
    await expect(producer.commit()).rejects.toEqual(failure('AbortableError', 'LOG_UNREACHABLE'))
    kafka.requests.length = 0
    await producer.abort()
    expect(sent(kafka)).toEqual(['EndTxn 3', 'InitProducerId 4'])
    kafka.on('Produce', produced(0))
    producer.begin()
    await producer.send([batch()])
    await producer.commit()
  })

  it('is broken by a sequence that does not fit, and lost with its producer by a newer one', async () => {
    for (const [code, error] of [
      [45, failure('AbortableError', 'TRANSACTION_LOST')],
      [47, failure('FencedError', 'PRODUCER_FENCED')],
      [90, failure('FencedError', 'PRODUCER_FENCED')],
      [10, failure('FatalError', 'BATCH_TOO_LARGE')],
      [87, failure('FatalError', 'BATCH_INVALID')],
      [29, failure('FatalError', 'ACCESS_DENIED')],
    ] as const) {
      const kafka = newKafka(2).on('Produce', produced(code))
      const producer = await open(kafka)
      producer.begin()
      await expect(kafka.run(producer.send([batch()]))).rejects.toEqual(error)
      await expect(producer.commit()).rejects.toEqual(error)
    }
  })

  it('takes no offsets of a member that does not belong to the group any more', async () => {
    for (const [code, name] of [
      [22, 'ILLEGAL_GENERATION'],
      [25, 'UNKNOWN_MEMBER_ID'],
    ] as const) {
      const kafka = newKafka(2).on('TxnOffsetCommit', () => ({
        partitions: [{ topic: 't', partition: 0, code }],
      }))
      const producer = await open(kafka)
      producer.begin()
      const adding = producer.addOffsets('g', [], { groupId: 'g', memberId: 'm', generation: 1 })
      await expect(kafka.run(adding)).rejects.toEqual(failure('FencedError', name))
    }
  })
})

describe('a commit', () => {
  const commit = async (...answers: readonly (object | Error)[]): Promise<unknown> => {
    const kafka = newKafka(2)
    const producer = await open(kafka)
    producer.begin()
    await producer.send([batch()])
    kafka.on('EndTxn', inTurn(...answers))
    return kafka.run(producer.commit())
  }
  const unknown = failure('UnknownOutcomeError', 'COMMIT_OUTCOME_UNKNOWN')

  it('is told again when its answer was lost', async () => {
    await commit(broken, { ...OK, ...identity(7, 9) })
  })

  it('is told again while the coordinator moves or loads', async () => {
    await commit(
      { code: 16, ...identity(-1, -1) },
      { code: 14, ...identity(-1, -1) },
      { ...OK, ...identity(7, 9) },
    )
  })

  it('is unknown when no answer comes', async () => {
    await expect(commit(broken)).rejects.toEqual(unknown)
  })

  it('is unknown when it is refused after its first answer was lost, since the first may have worked', async () => {
    await expect(commit(broken, { code: 90, ...identity(-1, -1) })).rejects.toEqual(unknown)
    await expect(commit(broken, { code: 48, ...identity(-1, -1) })).rejects.toEqual(unknown)
  })

  it('is refused for certain when the first answer says so', async () => {
    const fenced = failure('FencedError', 'PRODUCER_FENCED')
    await expect(commit({ code: 90, ...identity(-1, -1) })).rejects.toEqual(fenced)
    await expect(commit({ code: 48, ...identity(-1, -1) })).rejects.toEqual(fenced)
    await expect(commit({ code: 120, ...identity(-1, -1) })).rejects.toEqual(
      failure('AbortableError', 'TRANSACTION_LOST'),
    )
  })
})

describe('an abort', () => {
  it('that cannot be told can be told later', async () => {
    const kafka = newKafka(2)
    const producer = await open(kafka)
    producer.begin()
    await producer.send([batch()])
    kafka.on('EndTxn', inTurn(broken))
    await expect(kafka.run(producer.abort())).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
    await expect(producer.send([batch()])).rejects.toEqual(failure('AbortableError', 'LOG_UNREACHABLE'))
    kafka.on('EndTxn', inTurn({ ...OK, ...identity(7, 9) }))
    await producer.abort()
    producer.begin()
    await producer.send([batch()])
  })

  it('has nothing to do where nothing of the transaction arrived', async () => {
    const kafka = newKafka(1)
    const producer = await open(kafka)
    producer.begin()
    await producer.send([batch()])
    kafka.on('EndTxn', inTurn({ code: 48, ...identity(-1, -1) }))
    await producer.abort()
  })
})

describe('the start of a producer', () => {
  it('waits while the former holder is being fenced, and while coordinators load', async () => {
    const kafka = newKafka(2)
    const answers = [51, 14, 15, 0].map((code) => ({ code, ...identity(7, 3) }))
    kafka.on('InitProducerId', inTurn(...answers))
    await open(kafka)
  })

  it('names a time-out that is too long for the brokers', async () => {
    const kafka = newKafka(2).on('InitProducerId', () => ({ code: 50, ...identity(-1, -1) }))
    await expect(open(kafka)).rejects.toEqual(failure('FatalError', 'TRANSACTION_TIMEOUT_REFUSED'))
  })
})
