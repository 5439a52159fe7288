import { describe, expect, it } from 'vitest'
import { EmbeddedBroker, EmbeddedLog } from '../../../../src/log/embedded/index.ts'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import { keyOf } from '../../../../src/log/embedded/storage-layout.ts'
import type { PollResult } from '../../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'
import { lossyConnection, type Losses } from '../../../support/lossy-connection.ts'

const AT = { topic: 't', partition: 0 }

class World {
  readonly engine = new MemoryEngine()
  readonly clock = new SimulatedClock()
  readonly random = new SeededRandom(1)
  readonly losses: Losses = {
    random: this.random,
    clock: this.clock,
    maxDelayMs: 1,
    lostRequest: 0,
    lostAnswer: 0,
  }
  broker!: EmbeddedBroker

  async open(verifyChecksums = true): Promise<EmbeddedLog> {
    const { clock, random } = this
    this.broker = await EmbeddedBroker.open(this.engine, { clock, random })
    const connection = lossyConnection(this.broker.connect(), this.losses)
    return new EmbeddedLog({ connection, clock, random, verifyChecksums })
  }

  async write(...values: string[]): Promise<void> {
    const log = new EmbeddedLog({ connection: this.broker.connect(), clock: this.clock, random: this.random })
    await log.createTopics([{ name: 't', partitions: 1 }])
    const producer = await log.producer({ transactionalId: 'writer' })
    for (const value of values) {
      const records = new RecordBatchBuilder()
      records.append(0, 'k', value)
      producer.begin()
      await producer.send([{ ...AT, records }])
      await producer.commit()
    }
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

describe('a reader of the embedded log', () => {
  it('fails a partition with a batch whose bytes changed on the disk', async () => {
    const world = new World()
    const log = await world.open()
    await world.write('aaaa', 'bbbb')
    const stored = Buffer.from((await world.engine.get(keyOf.data(0, 2)))!)
    stored[stored.indexOf('bbbb')]! += 1
    await world.engine.write([{ key: keyOf.data(0, 2), value: stored }])
    const reader = log.reader()
    reader.assign(AT, 0n)
    const { chunks, failures } = await world.drive(reader.poll(1000))
    expect(chunks).toEqual([])
    expect(failures[0]).toMatchObject({ partition: AT, error: { code: 'RECORD_BATCH_CORRUPT' } })
    const trusting = await world.open(false)
    const other = trusting.reader()
    other.assign(AT, 0n)
    expect((await world.drive(other.poll(1000))).chunks).toHaveLength(1)
  })

  it('fails a partition whose index and data do not fit together', async () => {
    for (const damage of [null, Buffer.from('no batch')]) {
      const world = new World()
      const log = await world.open()
      await world.write('aaaa', 'bbbb')
      await world.engine.write([{ key: keyOf.data(0, 2), value: damage }])
      const reader = log.reader({ maxPartitionBytes: 1 })
      reader.assign(AT, 0n)
      const results: PollResult[] = []
      while (results.at(-1)?.failures.length !== 1) results.push(await world.drive(reader.poll(1000)))
      expect(results.flatMap(({ chunks }) => chunks)).toHaveLength(1)
      expect(results.at(-1)?.failures[0]?.error).toMatchObject({ code: 'RECORD_BATCH_CORRUPT' })
      expect(results.at(-1)?.failures[0]?.error.message).toContain('t/0')
    }
  })

  it('goes on by itself when the log was out of reach', async () => {
    const world = new World()
    const log = await world.open()
    await world.write('a')
    const reader = log.reader()
    reader.assign(AT, 0n)
    await world.drive(reader.poll(1000))
    world.losses.cut = 'everything'
    await world.clock.advance(60_000)
    expect(await world.drive(reader.poll(100))).toEqual({ chunks: [], failures: [] })
    world.losses.cut = 'nothing'
    await world.write('b')
    expect((await world.drive(reader.poll(10_000))).chunks.at(-1)?.nextOffset).toBe(4n)
  })

  it('tells news without records once, as it stands at the poll', async () => {
    const world = new World()
    const log = await world.open()
    await world.write('a')
    const reader = log.reader()
    reader.assign(AT, 2n)
    await world.drive(reader.poll(1000))
    const producer = await world.drive(log.producer({ transactionalId: 'open' }))
    producer.begin()
    for (const value of ['b', 'c', 'd']) {
      const records = new RecordBatchBuilder()
      records.append(0, 'k', value)
      await world.drive(producer.send([{ ...AT, records }]))
      await world.clock.advance(100)
    }
    const { chunks } = await world.drive(reader.poll(0))
    expect(chunks).toHaveLength(1)
    expect(chunks[0]).toMatchObject({ nextOffset: 2n, stable: 2n, end: 5n })
  })

  it('ends a poll that is under way when it is closed', async () => {
    const world = new World()
    const log = await world.open()
    await world.write('a')
    const reader = log.reader()
    reader.assign(AT, 2n)
    await world.drive(reader.poll(1000))
    const polled = reader.poll(60_000)
    await reader.close()
    expect(await polled).toEqual({ chunks: [], failures: [] })
  })

  it('polls one at a time', async () => {
    const world = new World()
    const log = await world.open()
    const reader = log.reader()
    const first = reader.poll(1000)
    await expect(reader.poll(0)).rejects.toThrow('one poll at a time')
    await world.drive(first)
  })

  it('holds no more than it may, shared among its partitions', async () => {
    const world = new World()
    const log = await world.open()
    const partitions = [0, 1, 2, 3].map((partition) => ({ topic: 'many', partition }))
    await world.drive(log.createTopics([{ name: 'many', partitions: 4 }]))
    const producer = await world.drive(log.producer({ transactionalId: 'w' }))
    for (let i = 0; i < 60; i += 1) {
      producer.begin()
      const batches = partitions.map((at) => {
        const records = new RecordBatchBuilder()
        records.append(0, null, 'v'.repeat(20_000))
        return { ...at, records }
      })
      await world.drive(producer.send(batches))
      await world.drive(producer.commit())
    }
    const reader = log.reader({ prefetchBytes: 400_000, maxPartitionBytes: 50_000 })
    for (const at of partitions) reader.assign(at, 0n)
    await world.clock.advance(5_000)
    const { chunks } = await world.drive(reader.poll(0))
    const bytes = partitions.map(({ partition }) =>
      chunks
        .filter((chunk) => chunk.partition.partition === partition)
        .reduce((sum, { batches }) => sum + batches.end - batches.start, 0),
    )
    for (const held of bytes) {
      expect(held).toBeLessThanOrEqual(100_000)
      expect(held).toBeGreaterThan(50_000)
    }
  })
})
