import { describe, expect, it } from 'vitest'
import { EmbeddedBroker, EmbeddedLog } from '../../../../src/log/embedded/index.ts'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import type { EngineOp } from '../../../../src/log/embedded/engine.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../../../src/log/record-cursor.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'

const AT = { topic: 't', partition: 0 }
const DELETE_RETENTION_MS = 10_000

interface Kept {
  readonly offset: number
  readonly key: string
  readonly value: string | null
}

/** Refuses writes from the moment it is told to: what a crash leaves is what was written before. */
class CrashingEngine extends MemoryEngine {
  writesLeft = Number.POSITIVE_INFINITY

  override write(ops: readonly EngineOp[]): Promise<void> {
    if (this.writesLeft <= 0) return Promise.reject(new Error('crashed'))
    this.writesLeft -= 1
    return super.write(ops)
  }
}

class World {
  readonly engine = new CrashingEngine()
  readonly clock = new SimulatedClock()
  readonly random: SeededRandom
  readonly written: Kept[] = []
  broker!: EmbeddedBroker
  log!: EmbeddedLog

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
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

  /** As a process that starts on what the engine holds. */
  async start(): Promise<void> {
    this.engine.writesLeft = Number.POSITIVE_INFINITY
    const { clock, random } = this
    const cleaning = { dirtyBytes: Number.POSITIVE_INFINITY, sliceBytes: 300, maxKeys: 1 + random.int(6) }
    this.broker = await this.drive(EmbeddedBroker.open(this.engine, { clock, random, cleaning }))
    this.log = new EmbeddedLog({ connection: this.broker.connect(), clock, random })
    const settings = { cleanup: 'compact', deleteRetentionMs: DELETE_RETENTION_MS } as const
    await this.drive(this.log.createTopics([{ name: 't', partitions: 1, settings }]))
  }

  async write(): Promise<void> {
    const producer = await this.drive(this.log.producer({ transactionalId: 'writer' }))
    for (let batches = 1 + this.random.int(4); batches > 0; batches -= 1) {
      const records = new RecordBatchBuilder()
      const batch: { key: string; value: string | null }[] = []
      for (let count = 1 + this.random.int(6); count > 0; count -= 1) {
        const key = `key-${this.random.int(8)}`
        const value = this.random.chance(0.25) ? null : `${this.random.int(1000)}`
        records.append(this.random.int(1000), key, value)
        batch.push({ key, value })
      }
      producer.begin()
      const [base] = await this.drive(producer.send([{ ...AT, records }]))
      if (this.random.chance(0.2)) {
        await this.drive(producer.abort())
      } else {
        await this.drive(producer.commit())
        batch.forEach((record, i) => this.written.push({ ...record, offset: Number(base) + i }))
      }
    }
  }

  async read(): Promise<Kept[]> {
    const reader = this.log.reader({ maxPartitionBytes: 200 })
    const [end] = await this.drive(this.log.offsets('end', [AT]))
    reader.assign(AT, 0n)
    const found: Kept[] = []
    const cursor = new RecordCursor()
    for (let position = -1n; position < end!;) {
      const { chunks, failures } = await this.drive(reader.poll(1000))
      expect(failures).toEqual([])
      for (const { batches, nextOffset } of chunks) {
        cursor.reset(batches)
        while (cursor.next()) {
          const value = cursor.value()?.toString() ?? null
          found.push({ offset: cursor.offsetNumber, key: cursor.key()!.toString(), value })
        }
        position = nextOffset
      }
    }
    await reader.close()
    return found
  }
}

/** By key, what a reader from the start ends up with. */
function stateOf(records: readonly Kept[]): Map<string, string> {
  const state = new Map<string, string>()
  for (const { key, value } of records) {
    if (value === null) state.delete(key)
    else state.set(key, value)
  }
  return state
}

describe('compaction', () => {
  it('leaves exactly the newest record of each key, and no tombstone beyond its time', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const world = new World(seed)
      await world.start()
      for (let round = 0; round < 5; round += 1) {
        await world.write()
        await world.drive(world.broker.clean())
        const newest = new Map(world.written.map((record) => [record.key, record]))
        const expected = [...newest.values()].sort((a, b) => a.offset - b.offset)
        const found = await world.read()
        const gone = expected.filter(({ offset }) => !found.some((kept) => kept.offset === offset))
        expect(found, `seed ${seed}`).toEqual(expected.filter((record) => !gone.includes(record)))
        // Only tombstones that an earlier round has met and whose time is over.
        for (const record of gone) expect(record.value).toBe(null)
        if (round === 0) expect(gone).toEqual([])
        await world.clock.advance(DELETE_RETENTION_MS / 2 + 1)
      }
      await world.clock.advance(DELETE_RETENTION_MS + 1)
      await world.drive(world.broker.clean())
      await world.clock.advance(DELETE_RETENTION_MS + 1)
      await world.drive(world.broker.clean())
      expect((await world.read()).filter(({ value }) => value === null)).toEqual([])
      expect(stateOf(await world.read())).toEqual(stateOf(world.written))
    }
  })

  it('loses nothing when the process dies after any of its writes', async () => {
    let crashes = 0
    for (let seed = 100; seed < 130; seed += 1) {
      const world = new World(seed)
      await world.start()
      for (let writes = 0; writes < 6; writes += 1) {
        await world.write()
        await world.clock.advance(DELETE_RETENTION_MS / 3)
        world.engine.writesLeft = writes
        await world.drive(world.broker.clean())
        if (world.engine.writesLeft === 0) crashes += 1
        await world.start()
        const found = await world.read()
        expect(stateOf(found), `seed ${seed}, after ${writes} writes`).toEqual(stateOf(world.written))
        const offsets = found.map(({ offset }) => offset)
        expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b))
      }
    }
    expect(crashes).toBeGreaterThan(60)
  })
})
