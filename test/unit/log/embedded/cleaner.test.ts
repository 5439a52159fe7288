import { describe, expect, it } from 'vitest'
import type { CleaningOptions } from '../../../../src/log/embedded/cleaner.ts'
import { EmbeddedBroker, EmbeddedLog } from '../../../../src/log/embedded/index.ts'
import type { ScanRange } from '../../../../src/log/embedded/engine.ts'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import { rangeOf } from '../../../../src/log/embedded/storage-layout.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'

/** As a database: once it is closed it can be asked nothing. */
class ClosableEngine extends MemoryEngine {
  private closed = false

  override scan(range: ScanRange): ReturnType<MemoryEngine['scan']> {
    if (this.closed) throw new Error('asked after it was closed')
    return super.scan(range)
  }

  override close(): Promise<void> {
    this.closed = true
    return super.close()
  }

  /** The next owner. */
  reopen(): void {
    this.closed = false
  }
}

class World {
  readonly engine = new ClosableEngine()
  readonly clock = new SimulatedClock()
  readonly random = new SeededRandom(1)
  broker!: EmbeddedBroker
  log!: EmbeddedLog

  async start(cleaning: CleaningOptions): Promise<void> {
    const { clock, random } = this
    this.broker = await EmbeddedBroker.open(this.engine, { clock, random, cleaning })
    this.log = new EmbeddedLog({ connection: this.broker.connect(), clock, random })
    const settings = { cleanup: 'compact' } as const
    await this.log.createTopics([
      { name: 'compacted', partitions: 1, settings },
      { name: 'plain', partitions: 1 },
    ])
  }

  /** Commits batches of about 1,000 bytes, `count` of them, all under the keys of `keys`. */
  async write(topic: string, count: number, keys = 1): Promise<void> {
    const producer = await this.log.producer({ transactionalId: 'writer' })
    for (let i = 0; i < count; i += 1) {
      const records = new RecordBatchBuilder()
      records.append(0, `${i % keys}`, 'v'.repeat(920))
      producer.begin()
      await producer.send([{ topic, partition: 0, records }])
      await producer.commit()
    }
  }

  async stored(number: number): Promise<number> {
    return (await this.engine.scan({ ...rangeOf.data(number), limit: 100_000 })).length
  }
}

describe('the cleaner', () => {
  it('compacts by itself once enough was written, and not before', async () => {
    const world = new World()
    await world.start({ dirtyBytes: 10_000 })
    await world.write('compacted', 9)
    await world.clock.runUntilIdle()
    expect(await world.stored(0)).toBe(9)
    await world.write('compacted', 3)
    await world.clock.runUntilIdle()
    expect(await world.stored(0)).toBeLessThan(4)
    await world.write('plain', 30)
    await world.clock.runUntilIdle()
    expect(await world.stored(1)).toBe(30)
  })

  it('waits until there is as much to look at as the last time left', async () => {
    const world = new World()
    await world.start({ dirtyBytes: 10_000 })
    await world.write('compacted', 40, 40)
    await world.clock.runUntilIdle()
    expect(await world.stored(0)).toBe(40)
    await world.write('compacted', 30, 5)
    await world.clock.runUntilIdle()
    expect(await world.stored(0)).toBe(70)
    await world.write('compacted', 15, 5)
    await world.clock.runUntilIdle()
    expect(await world.stored(0)).toBeLessThan(60)
  })

  it('takes up after a restart what was left: dirt, and the data of deleted topics', async () => {
    const world = new World()
    await world.start({ dirtyBytes: Number.POSITIVE_INFINITY })
    await world.write('compacted', 30)
    await world.write('plain', 5)
    await world.log.deleteTopics(['plain'])
    // Dies before the cleaner has its turn.
    expect(await world.stored(1)).toBe(5)
    const next = Object.assign(new World(), { engine: world.engine })
    await next.start({ dirtyBytes: 10_000 })
    await next.clock.runUntilIdle()
    expect(await next.stored(0)).toBe(1)
    expect(await next.stored(1)).toBe(0)
    expect(await next.engine.scan({ ...rangeOf.garbage, limit: 10 })).toEqual([])
  })

  it('lets the event loop turn between its slices', async () => {
    const world = new World()
    await world.start({ dirtyBytes: Number.POSITIVE_INFINITY, sliceBytes: 2_000 })
    await world.write('compacted', 40)
    await world.clock.runUntilIdle()
    let turns = 0
    let cleaning = true
    const watch = async (): Promise<void> => {
      for (; cleaning; turns += 1) await world.clock.yieldNow()
    }
    const cleaned = world.broker.clean().finally(() => (cleaning = false))
    void watch()
    await world.clock.runUntilIdle()
    await cleaned
    expect(turns).toBeGreaterThan(40)
  })

  it('stops when the broker closes, in the middle of its work', async () => {
    const world = new World()
    await world.start({ dirtyBytes: Number.POSITIVE_INFINITY, sliceBytes: 2_000 })
    await world.write('compacted', 40)
    await world.clock.runUntilIdle()
    void world.broker.clean()
    const closed = world.broker.close()
    await world.clock.runUntilIdle()
    await closed
    world.engine.reopen()
    const left = await world.stored(0)
    await world.clock.runUntilIdle()
    expect(await world.stored(0)).toBe(left)
    expect(left).toBe(40)
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('asks nothing of an engine that is closed', async () => {
    const world = new World()
    await world.start({ dirtyBytes: 1 })
    await world.write('plain', 5)
    await world.clock.runUntilIdle()
    await world.log.deleteTopics(['plain'])
    const closed = world.broker.close()
    await world.clock.runUntilIdle()
    await closed
    world.engine.reopen()
    // The garbage is left to the next owner.
    expect(await world.engine.scan({ ...rangeOf.garbage, limit: 10 })).toHaveLength(1)
  })

  it('leaves a partition alone that it cannot read, and goes on with the others', async () => {
    const world = new World()
    await world.start({ dirtyBytes: Number.POSITIVE_INFINITY })
    const settings = { cleanup: 'compact' } as const
    await world.log.createTopics([{ name: 'other', partitions: 1, settings }])
    await world.write('compacted', 5)
    await world.write('other', 5)
    const [first] = await world.engine.scan({ ...rangeOf.data(0), limit: 1 })
    const damaged = Buffer.from(first!.value)
    damaged.writeInt32BE(9, 57)
    await world.engine.write([{ key: first!.key, value: damaged }])
    const cleaned = world.broker.clean()
    await world.clock.runUntilIdle()
    await cleaned
    expect([await world.stored(0), await world.stored(2)]).toEqual([5, 1])
  })
})
