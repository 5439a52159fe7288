/**
 * Transactions of several clients over connections that lose requests and answers, with killed clients and late
 * visibility. The oracle is a list of what each client was told.
 */
import { describe, expect, it } from 'vitest'
import { sleep } from '../../src/clock.ts'
import { AbortableError, FencedError, RetriableError, UnknownOutcomeError } from '../../src/errors.ts'
import { createInMemoryBroker, EmbeddedLog, type EmbeddedBroker } from '../../src/log/embedded/index.ts'
import type { LogProducer, TopicPartition } from '../../src/log/log.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { lossyConnection, type Losses } from '../support/lossy-connection.ts'

const PARTITIONS = 3
const TRANSACTIONS = 12
const at = (partition: number): TopicPartition => ({ topic: 't', partition })

interface Told {
  readonly name: string
  /** Values by partition, in the order sent, and the offset the log gave, where it answered. */
  readonly sent: { partition: number; value: string; offset: bigint | null }[]
  outcome: 'committed' | 'aborted' | 'unknown' | 'killed'
}

class World {
  readonly clock = new SimulatedClock()
  readonly random: SeededRandom
  readonly losses: Losses
  readonly broker: EmbeddedBroker
  readonly told: Told[] = []

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    const delays = this.random.fork()
    this.losses = {
      random: this.random.fork(),
      clock: this.clock,
      maxDelayMs: 15,
      lostRequest: 0.08,
      lostAnswer: 0.08,
    }
    this.broker = createInMemoryBroker({
      clock: this.clock,
      random: this.random.fork(),
      ...(seed % 2 === 0 ? {} : { markerDelayMs: () => delays.int(40) }),
    })
  }

  newLog(): EmbeddedLog {
    const connection = lossyConnection(this.broker.connect(), this.losses)
    return new EmbeddedLog({ connection, clock: this.clock, random: this.random.fork() })
  }

  async drive<T>(work: Promise<T>): Promise<T> {
    let settled = false
    const done = work.finally(() => (settled = true))
    done.catch(() => undefined)
    for (let steps = 0; !settled; steps += 1) {
      await this.clock.runUntilIdle()
      if (!settled && !(await this.clock.runNextTimer())) throw new Error('nothing can happen any more')
      if (steps > 200_000) throw new Error('no end in sight')
    }
    return done
  }
}

/** One client's life: transactions, and what it makes of errors. */
async function work(world: World, client: number, random: SeededRandom): Promise<void> {
  let log = world.newLog()
  let producer: LogProducer | null = null
  let incarnation = 0
  for (let number = 0; number < TRANSACTIONS; number += 1) {
    while (producer === null) {
      const transactionalId = `client-${client}-${incarnation}`
      producer = await log
        .producer({ transactionalId, transactionTimeoutMs: 5_000 })
        .catch((error: unknown) => {
          if (!(error instanceof RetriableError)) throw error
          return null
        })
    }
    const told: Told = { name: `${client}.${number}`, sent: [], outcome: 'unknown' }
    world.told.push(told)
    if (random.chance(0.1)) {
      // Killed in the middle: a successor fences what is left and goes on under another id.
      void transact(producer, told, random).catch(() => undefined)
      await sleep(world.clock, random.int(80))
      log.kill()
      if (told.outcome !== 'committed') told.outcome = 'killed'
      log = world.newLog()
      const victim = `client-${client}-${incarnation}`
      while (
        !(await log.fenceProducer(victim).then(
          () => true,
          () => false,
        ))
      );
      incarnation += 1
      producer = null
      continue
    }
    try {
      await transact(producer, told, random)
    } catch (error) {
      if (error instanceof AbortableError) {
        told.outcome = 'aborted'
        await producer.abort().catch(() => (producer = null))
      } else if (error instanceof UnknownOutcomeError || error instanceof FencedError) {
        told.outcome = error instanceof FencedError ? 'aborted' : 'unknown'
        await producer.close()
        producer = null
      } else {
        throw error
      }
    }
  }
  while (
    !(await log.close().then(
      () => true,
      () => false,
    ))
  );
}

async function transact(producer: LogProducer, told: Told, random: SeededRandom): Promise<void> {
  producer.begin()
  for (let sends = 1 + random.int(3); sends > 0; sends -= 1) {
    const entries = Array.from({ length: 1 + random.int(3) }, (_, i) => {
      const partition = random.int(PARTITIONS)
      return { partition, value: `${told.name}/${told.sent.length + i}`, offset: null as bigint | null }
    })
    told.sent.push(...entries)
    const batches = entries.map(({ partition, value }) => {
      const records = new RecordBatchBuilder()
      records.append(0, 'k', value)
      return { ...at(partition), records }
    })
    const offsets = await producer.send(batches)
    entries.forEach((entry, i) => (entry.offset = offsets[i]!))
  }
  if (random.chance(0.5)) {
    await producer.addOffsets('group', [{ ...at(0), offset: BigInt(Number(told.name.split('.')[1])) }])
  }
  if (random.chance(0.2)) {
    await producer.abort()
    told.outcome = 'aborted'
  } else {
    await producer.commit()
    told.outcome = 'committed'
  }
}

/** Everything readable, as `offset value` by partition, by a reader that suffers the same losses. */
async function readAll(world: World): Promise<{ offset: bigint; value: string }[][]> {
  const log = world.newLog()
  const reader = log.reader({ maxPartitionBytes: 300 })
  const ends = await world.broker.offsets('end', [0, 1, 2].map(at))
  const positions = new Array<bigint>(PARTITIONS).fill(0n)
  const found: { offset: bigint; value: string }[][] = [[], [], []]
  for (let partition = 0; partition < PARTITIONS; partition += 1) reader.assign(at(partition), 0n)
  const cursor = new RecordCursor()
  while (positions.some((position, partition) => position < ends[partition]!)) {
    const { chunks, failures } = await reader.poll(1_000)
    expect(failures).toEqual([])
    for (const { partition, batches, nextOffset } of chunks) {
      cursor.reset(batches)
      while (cursor.next()) {
        found[partition.partition]!.push({ offset: cursor.offset, value: cursor.value()!.toString() })
      }
      positions[partition.partition] = nextOffset
    }
  }
  await reader.close()
  return found
}

async function simulate(
  seed: number,
): Promise<{ world: World; found: { offset: bigint; value: string }[][] }> {
  const world = new World(seed)
  await world.drive(world.broker.createTopics([{ name: 't', partitions: PARTITIONS }]))
  const clients = [0, 1, 2].map((client) => work(world, client, world.random.fork()))
  await world.drive(Promise.all(clients))
  // Time-outs end what nobody fenced.
  await world.clock.advance(20_000)
  const found = await world.drive(readAll(world))
  return { world, found }
}

function check({ world, found }: Awaited<ReturnType<typeof simulate>>): void {
  const seen = new Map<string, bigint>()
  for (const records of found) {
    for (const { offset, value } of records) {
      expect(seen.has(value), `${value} is there once`).toBe(false)
      seen.set(value, offset)
    }
    const offsets = records.map(({ offset }) => offset)
    expect(offsets).toEqual([...offsets].sort((a, b) => Number(a - b)))
  }
  for (const { name, sent, outcome } of world.told) {
    const present = sent.filter(({ value }) => seen.has(value)).length
    const context = `transaction ${name}, ${outcome}`
    if (outcome === 'committed') expect(present, context).toBe(sent.length)
    else if (outcome === 'aborted') expect(present, context).toBe(0)
    else expect([0, sent.length], context).toContain(present)
    for (const { value, offset } of sent) {
      if (offset !== null && seen.has(value)) expect(seen.get(value), context).toBe(offset)
    }
  }
}

describe('transactions over connections that lose calls', () => {
  it('are visible whole and once, or not at all, whatever is lost', async () => {
    const outcomes = new Map<string, number>()
    for (let seed = 1; seed <= 120; seed += 1) {
      const result = await simulate(seed)
      try {
        check(result)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
      for (const { outcome } of result.world.told) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    // The losses were felt: each kind of outcome occurred many times.
    for (const outcome of ['committed', 'aborted', 'unknown', 'killed']) {
      expect(outcomes.get(outcome), outcome).toBeGreaterThan(100)
    }
  })

  it('repeat themselves for a seed, to the last offset', async () => {
    const [one, two] = [await simulate(7), await simulate(7)]
    expect(two.found).toEqual(one.found)
    expect(two.world.told).toEqual(one.world.told)
    expect(two.world.clock.monotonic()).toBe(one.world.clock.monotonic())
  })

  it('would show a transaction twice if a repeated call were not known', async () => {
    const world = new World(1)
    await world.drive(world.broker.createTopics([{ name: 't', partitions: PARTITIONS }]))
    const records = new RecordBatchBuilder()
    records.append(0, 'k', 'value')
    const identity = await world.drive(
      world.broker.initProducer({
        transactionalId: 'x',
        transactionTimeoutMs: 1_000,
        unsafeWithoutTransactions: false,
      }),
    )
    const send = (step: number): Promise<readonly bigint[]> => {
      const buffer = Buffer.from(records.build({ ...identity, baseSequence: step, transactional: true }))
      const request = {
        ...identity,
        transactionalId: 'x',
        transaction: 0,
        step,
        batches: [{ ...at(0), buffer }],
      }
      return world.drive(world.broker.produce(request))
    }
    // The positive control of the first test: another step number is another call.
    expect(await send(0)).toEqual([0n])
    expect(await send(0)).toEqual([0n])
    expect(await send(1)).toEqual([1n])
  })
})
