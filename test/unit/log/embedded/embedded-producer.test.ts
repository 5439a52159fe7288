import { describe, expect, it } from 'vitest'
import { AbortableError, RetriableError } from '../../../../src/errors.ts'
import {
  callMethod,
  connectionThrough,
  createInMemoryBroker,
  EmbeddedLog,
} from '../../../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'

const AT = { topic: 't', partition: 0 }

class World {
  readonly clock = new SimulatedClock()
  readonly random = new SeededRandom(1)
  readonly broker = createInMemoryBroker({ clock: this.clock, random: this.random })
  /** Fails calls of a method, instead of or after doing them. */
  failing: { method: string; error: Error; applied: boolean; times: number } | null = null
  readonly calls: string[] = []
  readonly log: EmbeddedLog

  constructor() {
    const connection = connectionThrough(async (method, args) => {
      this.calls.push(method)
      const failing = this.failing?.method === method && this.failing.times > 0 ? this.failing : null
      if (failing !== null) failing.times -= 1
      const answer = failing?.applied === false ? undefined : await callMethod(this.broker, method, args)
      if (failing !== null) throw failing.error
      return answer
    })
    this.log = new EmbeddedLog({ connection, clock: this.clock, random: this.random })
  }

  async drive<T>(work: Promise<T>): Promise<T> {
    let settled = false
    const done = work.finally(() => (settled = true))
    done.catch(() => undefined)
    while (!settled) {
      await this.clock.runUntilIdle()
      if (!settled) await this.clock.runNextTimer()
    }
    return done
  }
}

async function newWorld(): Promise<World> {
  const world = new World()
  await world.broker.createTopics([{ name: 't', partitions: 1 }])
  return world
}

function batch(value: string): { topic: string; partition: number; records: RecordBatchBuilder } {
  const records = new RecordBatchBuilder()
  records.append(0, 'k', value)
  return { ...AT, records }
}

const lost = (): Error => new RetriableError('LOG_UNREACHABLE', 'lost')

describe('a producer of the embedded log', () => {
  it('repeats calls that were lost, or whose answers were, and each takes effect once', async () => {
    for (const applied of [false, true]) {
      const world = await newWorld()
      const producer = await world.log.producer({ transactionalId: 'x' })
      producer.begin()
      world.failing = { method: 'produce', error: lost(), applied, times: 2 }
      expect(await world.drive(producer.send([batch('a')]))).toEqual([0n])
      world.failing = { method: 'addOffsets', error: lost(), applied, times: 2 }
      await world.drive(producer.addOffsets('g', [{ ...AT, offset: 1n }]))
      expect(await world.drive(producer.send([batch('b')]))).toEqual([1n])
      await world.drive(producer.commit())
      expect(await world.broker.offsets('end', [AT])).toEqual([3n])
      expect(await world.broker.committedOffsets('g', [AT])).toEqual([1n])
    }
  })

  it('never repeats a commit, and can only be closed when its outcome is unknown', async () => {
    for (const applied of [false, true]) {
      const world = await newWorld()
      const producer = await world.log.producer({ transactionalId: 'x' })
      producer.begin()
      await producer.send([batch('a')])
      world.failing = { method: 'endTransaction', error: lost(), applied, times: 1 }
      const unknown = { name: 'UnknownOutcomeError', code: 'COMMIT_OUTCOME_UNKNOWN' }
      await expect(world.drive(producer.commit())).rejects.toMatchObject(unknown)
      expect(() => producer.begin()).toThrow(expect.objectContaining(unknown))
      await expect(producer.abort()).rejects.toMatchObject(unknown)
      await producer.close()
      expect(world.calls.filter((call) => call === 'endTransaction')).toHaveLength(1)
      // The next one of this id finds the outcome settled.
      await world.drive(world.log.producer({ transactionalId: 'x' }))
      const [stable] = await world.broker.offsets('stable', [AT])
      expect(await world.broker.offsets('end', [AT])).toEqual([stable])
    }
  })

  it('can only be aborted after an abortable error, and goes on then', async () => {
    const world = await newWorld()
    const producer = await world.log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch('a')])
    world.failing = { method: 'produce', error: new AbortableError('X', 'no'), applied: false, times: 1 }
    await expect(producer.send([batch('b')])).rejects.toMatchObject({ code: 'X' })
    await expect(producer.send([batch('c')])).rejects.toMatchObject({ code: 'X' })
    await expect(producer.commit()).rejects.toMatchObject({ code: 'X' })
    await producer.abort()
    producer.begin()
    expect(await producer.send([batch('d')])).toEqual([2n])
    await producer.commit()
  })

  it('gives up on a log that stays out of reach, with a transaction to be aborted', async () => {
    const world = await newWorld()
    const producer = await world.log.producer({ transactionalId: 'x', transactionTimeoutMs: 1_000 })
    producer.begin()
    world.failing = { method: 'produce', error: lost(), applied: false, times: 1000 }
    await expect(world.drive(producer.send([batch('a')]))).rejects.toMatchObject({
      name: 'AbortableError',
      code: 'LOG_UNREACHABLE',
    })
    world.failing = { method: 'endTransaction', error: lost(), applied: false, times: 1000 }
    await expect(world.drive(producer.abort())).rejects.toMatchObject({ name: 'RetriableError' })
    world.failing = null
    await world.drive(producer.abort())
    producer.begin()
    expect(await producer.send([batch('b')])).toEqual([0n])
    await producer.commit()
  })

  it('says nothing to the broker of a transaction without content', async () => {
    const world = await newWorld()
    const producer = await world.log.producer({ transactionalId: 'x' })
    world.calls.length = 0
    producer.begin()
    await producer.commit()
    producer.begin()
    await producer.abort()
    await producer.close()
    expect(world.calls).toEqual([])
  })

  it('refuses an empty batch, and calls out of turn', async () => {
    const world = await newWorld()
    const producer = await world.log.producer({ transactionalId: 'x' })
    await expect(producer.send([batch('a')])).rejects.toThrow('needs an open transaction')
    await expect(producer.commit()).rejects.toThrow('needs an open transaction')
    await producer.abort()
    producer.begin()
    expect(() => producer.begin()).toThrow('where none is open')
    const empty = { ...AT, records: new RecordBatchBuilder() }
    await expect(producer.send([batch('a'), empty])).rejects.toThrow('has a record')
    expect(await producer.send([batch('a')])).toEqual([0n])
    await producer.close()
    await producer.close()
    await expect(producer.send([batch('a')])).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' })
    expect(() => producer.begin()).toThrow(expect.objectContaining({ code: 'PRODUCER_CLOSED' }))
  })

  it('keeps the order of calls that are not awaited', async () => {
    const world = await newWorld()
    const producer = await world.log.producer({ transactionalId: 'x' })
    producer.begin()
    const sends = ['a', 'b', 'c'].map((value) => producer.send([batch(value)]))
    const committed = producer.commit()
    expect(await Promise.all(sends)).toEqual([[0n], [1n], [2n]])
    await committed
  })

  it('does not mind that a builder is used again', async () => {
    const world = await newWorld()
    const producer = await world.log.producer({ transactionalId: 'x' })
    producer.begin()
    const one = batch('first')
    await producer.send([one])
    one.records.reset()
    one.records.append(0, 'k', 'other')
    await producer.send([one])
    await producer.commit()
    const seen = null
    const { partitions } = await world.broker.fetch({
      partitions: [{ ...AT, topicId: null, offset: 0n, maxBytes: 10_000, seen }],
      maxWaitMs: 0,
    })
    const text = partitions[0]!.batches.toString('latin1')
    expect([text.includes('first'), text.includes('other')]).toEqual([true, true])
  })
})
