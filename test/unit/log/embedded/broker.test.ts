import { describe, expect, it } from 'vitest'
import { FatalError } from '../../../../src/errors.ts'
import { EmbeddedBroker, EmbeddedLog } from '../../../../src/log/embedded/index.ts'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import { keyOf, rangeOf } from '../../../../src/log/embedded/storage-layout.ts'
import { put } from '../../../../src/log/embedded/stored-entries.ts'
import type { GroupMember, JoinGroupOptions } from '../../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'
import { encodeBatch } from '../../../support/reference-batch.ts'

const AT = { topic: 't', partition: 0 }
const WEEK_MS = 7 * 24 * 3_600_000

/** Brokers one after the other on one engine, as processes that own a directory one after the other. */
class World {
  readonly engine = new MemoryEngine()
  readonly clock = new SimulatedClock()
  readonly random = new SeededRandom(1)

  async start(): Promise<{ broker: EmbeddedBroker; log: EmbeddedLog }> {
    const { clock, random } = this
    const broker = await EmbeddedBroker.open(this.engine, { clock, random })
    const log = new EmbeddedLog({ connection: broker.connect(), clock, random })
    await log.createTopics([{ name: 't', partitions: 1 }])
    return { broker, log }
  }
}

function batch(...values: string[]): { topic: string; partition: number; records: RecordBatchBuilder } {
  const records = new RecordBatchBuilder()
  for (const value of values) records.append(0, 'k', value)
  return { ...AT, records }
}

function memberOptions(assigned: GroupMember[]): JoinGroupOptions {
  return {
    groupId: 'g',
    metadata: () => Buffer.alloc(0),
    assign: () => Promise.resolve(new Map()),
    listener: {
      onAssigned: (_, member) => Promise.resolve(void assigned.push(member)),
      onRevoked: () => Promise.resolve(),
      onLost: () => Promise.resolve(),
      onFailed: () => undefined,
    },
  }
}

describe('a broker that starts again on what another one left', () => {
  it('never lowers the generation of a group, and keeps offsets', async () => {
    const world = new World()
    const { log } = await world.start()
    const assigned: GroupMember[] = []
    for (let i = 0; i < 3; i += 1) {
      const membership = await log.joinGroup(memberOptions(assigned))
      await world.clock.runUntilIdle()
      await membership.leave()
    }
    const before = assigned.at(-1)!.generation
    const producer = await log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.addOffsets('g', [{ ...AT, offset: 5n }])
    await producer.commit()
    log.kill()
    const next = await world.start()
    expect((await next.log.describeGroup('g')).state).toBe('empty')
    expect(await next.log.committedOffsets('g', [AT])).toEqual([5n])
    await next.log.joinGroup(memberOptions(assigned))
    await world.clock.runUntilIdle()
    expect(assigned.at(-1)!.generation).toBeGreaterThan(before)
  })

  it('still fences producers that were fenced before', async () => {
    const world = new World()
    const first = await world.start()
    const old = await first.broker.initProducer(INIT)
    const young = await first.broker.initProducer(INIT)
    const { broker } = await world.start()
    const step = { transactionalId: 'x', transaction: 0, step: 0, groupId: 'g', offsets: [], member: null }
    await expect(broker.addOffsets({ ...old, ...step })).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
    await broker.addOffsets({ ...young, ...step })
    const third = await broker.initProducer(INIT)
    expect([third.producerId, third.epoch]).toEqual([young.producerId, young.epoch + 1])
    const other = await broker.initProducer({ ...INIT, transactionalId: 'y' })
    expect(other.producerId).not.toBe(third.producerId)
  })

  it('does not commit a transaction whose beginning it has not seen', async () => {
    const world = new World()
    const first = await world.start()
    const identity = await first.broker.initProducer(INIT)
    const records = (value: string, baseSequence: number): Buffer =>
      Buffer.from(batch(value).records.build({ ...identity, baseSequence, transactional: true }))
    const step = { ...identity, transactionalId: 'x', transaction: 0 }
    await first.broker.produce({ ...step, step: 0, batches: [{ ...AT, buffer: records('lost', 0) }] })
    const { broker } = await world.start()
    const lost = { name: 'AbortableError', code: 'TRANSACTION_LOST' }
    const late = broker.produce({ ...step, step: 1, batches: [{ ...AT, buffer: records('half', 1) }] })
    await expect(late).rejects.toMatchObject(lost)
    await expect(broker.endTransaction({ ...step, step: 1, commit: true })).rejects.toMatchObject(lost)
    await broker.endTransaction({ ...step, step: 1, commit: false })
    const [stable] = await broker.offsets('stable', [AT])
    expect(await broker.offsets('end', [AT])).toEqual([stable])
  })

  it('goes on at or above every end that was seen, even after a crash', async () => {
    const world = new World()
    const first = await world.start()
    const producer = await first.log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch(...Array.from({ length: 9000 }, () => 'x'))])
    const [seen] = await first.broker.offsets('end', [AT])
    expect(seen).toBe(9000n)
    const { broker } = await world.start()
    expect((await broker.offsets('end', [AT]))[0]).toBeGreaterThanOrEqual(9000n)
    expect(await broker.offsets('stable', [AT])).toEqual(await broker.offsets('end', [AT]))
  })

  it('knows after a clean end exactly where it stopped', async () => {
    const world = new World()
    const first = await world.start()
    const producer = await first.log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch('a', 'b')])
    await producer.commit()
    await first.log.deleteRecords([{ ...AT, offset: 1n }])
    const closed = first.broker.close()
    await world.clock.runUntilIdle()
    await closed
    const { broker } = await world.start()
    expect([await broker.offsets('start', [AT]), await broker.offsets('end', [AT])]).toEqual([[1n], [3n]])
    expect(await broker.offsetAtTime(AT, 0)).toBe(1n)
  })

  it('refuses a log that a newer format wrote', async () => {
    const world = new World()
    await world.engine.write([put.meta('format', 2)])
    await expect(world.start()).rejects.toMatchObject({ name: 'FatalError', code: 'LOG_FORMAT_UNSUPPORTED' })
  })

  it('forgets transactional ids that were not used for a week', async () => {
    const world = new World()
    const first = await world.start()
    const producer = await first.log.producer({ transactionalId: 'kept' })
    const identity = await first.broker.initProducer(INIT)
    for (let day = 0; day < 8; day += 1) {
      await world.clock.advance(WEEK_MS / 7)
      producer.begin()
      await producer.send([batch('a')])
      await producer.commit()
    }
    const { broker, log } = await world.start()
    const ids = await world.engine.scan({ ...rangeOf.transactionalIds, limit: 10 })
    expect(ids).toHaveLength(1)
    const step = { ...identity, transactionalId: 'x', transaction: 0, step: 0 }
    await expect(broker.endTransaction({ ...step, commit: false })).rejects.toMatchObject({
      name: 'FencedError',
    })
    await log.close()
  })
})

describe('a broker', () => {
  it('takes each call of a transaction once, and late ones not at all', async () => {
    const { broker } = await new World().start()
    const identity = await broker.initProducer(INIT)
    const send = (transaction: number, step: number, baseSequence: number): Promise<readonly bigint[]> => {
      const buffer = Buffer.from(batch('v').records.build({ ...identity, baseSequence, transactional: true }))
      return broker.produce({
        ...identity,
        transactionalId: 'x',
        transaction,
        step,
        batches: [{ ...AT, buffer }],
      })
    }
    const end = (transaction: number, step: number, commit: boolean): Promise<void> =>
      broker.endTransaction({ ...identity, transactionalId: 'x', transaction, step, commit })
    expect(await send(0, 0, 0)).toEqual([0n])
    expect(await send(0, 0, 0)).toEqual([0n])
    await expect(send(0, 1, 7)).rejects.toMatchObject({
      name: 'AbortableError',
      code: 'OUT_OF_ORDER_SEQUENCE',
    })
    expect(await send(0, 1, 1)).toEqual([1n])
    await expect(send(0, 0, 0)).rejects.toMatchObject({ name: 'AbortableError' })
    await expect(send(0, 5, 2)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    await expect(send(1, 0, 0)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    await expect(end(0, 1, true)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    await end(0, 2, true)
    await end(0, 2, true)
    await expect(end(0, 2, false)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    await expect(send(0, 2, 2)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    // An abort of a transaction that never arrived shuts out what is still on its way.
    await end(1, 0, false)
    await expect(send(1, 0, 0)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    expect(await send(2, 0, 0)).toEqual([3n])
    await expect(end(1, 3, true)).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
  })

  it('refuses what is not one plain record batch', async () => {
    const { broker } = await new World().start()
    const identity = await broker.initProducer(INIT)
    const good = encodeBatch({ records: [{ value: 'a' }, { value: 'b' }], baseSequence: 0 })
    const bad = [
      Buffer.alloc(3),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, good]),
      encodeBatch({ records: [], baseSequence: 0 }),
      encodeBatch({ records: [{}], magic: 1, baseSequence: 0 }),
      encodeBatch({ records: [{}], compression: 2, baseSequence: 0 }),
      encodeBatch({ records: [{}], control: true, baseSequence: 0 }),
      encodeBatch({ records: [{}, {}], lastOffsetDelta: 5, baseSequence: 0 }),
    ]
    const step = { ...identity, transactionalId: 'x', transaction: 0, step: 0 }
    for (const buffer of bad) {
      const refused = broker.produce({ ...step, batches: [{ ...AT, buffer }] })
      await expect(refused).rejects.toMatchObject({ name: 'FatalError', code: 'BATCH_INVALID' })
    }
    expect(await broker.produce({ ...step, batches: [{ ...AT, buffer: good }] })).toEqual([0n])
  })

  it('stores byte for byte what Kafka would store', async () => {
    const world = new World()
    const { log } = await world.start()
    const producer = await log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch('a')])
    await producer.send([batch('b', 'c')])
    await producer.commit()
    const stored = await world.engine.scan({ ...rangeOf.data(0), limit: 10 })
    const head = { producerId: 0, epoch: 0, transactional: true }
    const expected = [
      encodeBatch({ ...head, baseOffset: 0, baseSequence: 0, records: [{ key: 'k', value: 'a' }] }),
      encodeBatch({
        ...head,
        baseOffset: 1,
        baseSequence: 1,
        records: [
          { key: 'k', value: 'b' },
          { key: 'k', value: 'c' },
        ],
      }),
    ]
    expect(stored.map(({ value }) => value)).toEqual(expected)
  })

  it('ends with every call failing, and fetches that wait ending', async () => {
    const world = new World()
    const { broker } = await world.start()
    const seen = { end: 0n, stable: 0n, start: 0n }
    const waiting = broker.fetch({
      partitions: [{ ...AT, topicId: null, offset: 0n, maxBytes: 1, seen }],
      maxWaitMs: 60_000,
    })
    await world.clock.runUntilIdle()
    const ended = expect(waiting).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await broker.close()
    await broker.close()
    await ended
    await expect(broker.listTopics()).rejects.toMatchObject({ name: 'FatalError', code: 'LOG_CLOSED' })
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('tells whoever waits for a deleted topic at once, and who comes with its old id', async () => {
    const world = new World()
    const { broker } = await world.start()
    const seen = { end: 0n, stable: 0n, start: 0n }
    const topicId = (await broker.describeTopics(['t'])).get('t')!.topicId
    const request = { ...AT, topicId, offset: 0n, maxBytes: 1, seen }
    const waiting = broker.fetch({ partitions: [request], maxWaitMs: 60_000 })
    await world.clock.runUntilIdle()
    await broker.deleteTopics(['t'])
    const unknown = [expect.objectContaining({ ...AT, code: 'TOPIC_UNKNOWN' })]
    expect(await waiting).toEqual({ partitions: [], errors: unknown })
    await broker.createTopics([{ name: 't', partitions: 1 }])
    expect((await broker.fetch({ partitions: [request], maxWaitMs: 0 })).errors).toEqual(unknown)
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('commits what is left of a transaction when a topic was deleted under it', async () => {
    const world = new World()
    const { broker, log } = await world.start()
    await log.createTopics([{ name: 'gone', partitions: 1 }])
    const producer = await log.producer({ transactionalId: 'x' })
    producer.begin()
    const gone = { ...batch('x'), topic: 'gone' }
    await producer.send([gone, batch('a')])
    await producer.addOffsets('g', [
      { topic: 'gone', partition: 0, offset: 1n },
      { ...AT, offset: 2n },
    ])
    await broker.deleteTopics(['gone'])
    await log.createTopics([{ name: 'gone', partitions: 1 }])
    await producer.commit()
    expect(await broker.offsets('end', [{ topic: 'gone', partition: 0 }, AT])).toEqual([0n, 2n])
    expect(await broker.offsets('stable', [AT])).toEqual([2n])
    expect(await log.committedOffsets('g', [AT])).toEqual([2n])
    await world.clock.runUntilIdle()
    await broker.clean()
    const left = await world.engine.scan({ ...rangeOf.everything, limit: 1000 })
    expect(left.filter(({ key }) => key[0] === 3 || key[0] === 8)).toHaveLength(1)
  })

  it('stores nothing of a transaction that lies below a start raised meanwhile', async () => {
    const world = new World()
    const { broker, log } = await world.start()
    const producer = await log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch('a', 'b')])
    await producer.send([batch('c', 'd')])
    await log.deleteRecords([{ ...AT, offset: 3n }])
    expect(await broker.offsets('stable', [AT])).toEqual([3n])
    await world.clock.runUntilIdle()
    await producer.commit()
    const stored = await world.engine.scan({ ...rangeOf.data(0), limit: 10 })
    expect(stored.map(({ key }) => key)).toEqual([keyOf.data(0, 2)])
    expect(await broker.offsetAtTime(AT, 0)).toBe(3n)
    expect(await broker.offsets('stable', [AT])).toEqual([5n])
  })

  it('refuses everything that has to be written once the disk is full, and still reads', async () => {
    const world = new World()
    const { broker, log } = await world.start()
    const producer = await log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch('a')])
    await producer.commit()
    producer.begin()
    await producer.send([batch('b')])
    const full = new FatalError('LOG_DISK_FULL', 'full')
    world.engine.write = () => Promise.reject(full)
    await expect(producer.commit()).rejects.toBe(full)
    expect(() => producer.begin()).toThrow(full)
    await expect(log.producer({ transactionalId: 'y' })).rejects.toBe(full)
    await expect(log.createTopics([{ name: 'u', partitions: 1 }])).rejects.toBe(full)
    const reader = log.reader()
    reader.assign(AT, 0n)
    await world.clock.runUntilIdle()
    const { chunks } = await reader.poll(0)
    expect(chunks[0]).toMatchObject({ nextOffset: 2n, stable: 2n })
    expect(chunks[0]!.batches.end).toBeGreaterThan(0)
    await log.close()
    await broker.close()
  })

  it('shows at once what an unsafe producer sends, and takes nothing back', async () => {
    const { log, broker } = await new World().start()
    const producer = await log.producer({ transactionalId: 'x', unsafeWithoutTransactions: true })
    producer.begin()
    await producer.send([batch('a', 'b')])
    expect(await broker.offsets('stable', [AT])).toEqual([2n])
    await producer.addOffsets('g', [{ ...AT, offset: 1n }])
    expect(await log.committedOffsets('g', [AT])).toEqual([1n])
    await producer.abort()
    producer.begin()
    await producer.send([batch('c')])
    await producer.commit()
    expect(await broker.offsets('end', [AT])).toEqual([3n])
  })
})

const INIT = { transactionalId: 'x', transactionTimeoutMs: 60_000, unsafeWithoutTransactions: false }
