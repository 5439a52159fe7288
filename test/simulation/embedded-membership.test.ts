/**
 * Exactly once through the log alone: workers of one group share partitions and count in each of them, one number a
 * transaction, from the group's committed offset on. Connections lose calls, workers are killed and slow. Whatever
 * happens, each partition holds 1, 2, 3 and so on.
 */
import { describe, expect, it } from 'vitest'
import { sleep } from '../../src/clock.ts'
import { AbortableError, FencedError, RetriableError, UnknownOutcomeError } from '../../src/errors.ts'
import { createInMemoryBroker, EmbeddedLog, type EmbeddedBroker } from '../../src/log/embedded/index.ts'
import type { GroupMember, GroupMemberMetadata, LogProducer, Offset } from '../../src/log/log.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { lossyConnection, type Losses } from '../support/lossy-connection.ts'

const PARTITIONS = 5
const GROUP = 'counters'

class World {
  readonly clock = new SimulatedClock()
  readonly random: SeededRandom
  readonly losses: Losses
  readonly connections: Losses[] = []
  readonly broker: EmbeddedBroker
  /** How often work changed hands, and in which ways. */
  readonly felt = { assigned: 0, revoked: 0, lost: 0, killed: 0, aborted: 0, unknown: 0, fenced: 0 }
  /** Members prove their membership with their offsets; without, a plain mistake is planted. */
  readonly fencing: boolean

  constructor(seed: number, fencing: boolean) {
    this.random = new SeededRandom(seed)
    this.fencing = fencing
    const delays = this.random.fork()
    const random = this.random.fork()
    this.losses = { random, clock: this.clock, maxDelayMs: 20, lostRequest: 0.03, lostAnswer: 0.03 }
    this.broker = createInMemoryBroker({
      clock: this.clock,
      random: this.random.fork(),
      ...(seed % 2 === 0 ? {} : { markerDelayMs: () => delays.int(60) }),
    })
  }
}

/** One process: a log, a membership, and while it is assigned a loop that counts. */
class Worker {
  private readonly world: World
  private readonly random: SeededRandom
  private readonly log: EmbeddedLog
  private producer: LogProducer | null = null
  private loop: Promise<void> = Promise.resolve()
  private stopped = true
  private ids = 0
  private readonly losses: Losses
  private readonly name: string

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.random = world.random.fork()
    this.losses = { ...world.losses, random: world.random.fork() }
    world.connections.push(this.losses)
    const connection = lossyConnection(world.broker.connect(), this.losses)
    this.log = new EmbeddedLog({ connection, clock: world.clock, random: this.random.fork() })
  }

  async start(): Promise<void> {
    const { felt } = this.world
    await this.log.joinGroup({
      groupId: GROUP,
      sessionTimeoutMs: 1_000,
      rebalanceTimeoutMs: 2_000,
      metadata: () => Buffer.from(this.name),
      assign: (members) => Promise.resolve(share(members)),
      listener: {
        onAssigned: (assignment, member) => {
          felt.assigned += 1
          this.stopped = false
          this.loop = this.count([...assignment], member)
          return Promise.resolve()
        },
        onRevoked: async () => {
          felt.revoked += 1
          this.stopped = true
          await this.loop
          // Sometimes longer than the group waits.
          await sleep(this.world.clock, this.random.chance(0.1) ? 3_000 : this.random.int(100))
        },
        onLost: async () => {
          felt.lost += 1
          this.stopped = true
          await this.loop
        },
        onFailed: (error) => {
          throw error
        },
      },
    })
  }

  /** Nothing gets through, or no heartbeats: expelled, it still believes to be the owner. */
  cutOff(forMs: number): void {
    this.losses.cut = this.random.chance(0.5) ? 'heartbeats' : 'everything'
    this.world.clock.schedule(forMs, () => (this.losses.cut = 'nothing'))
  }

  kill(): void {
    this.world.felt.killed += 1
    this.log.kill()
  }

  async close(): Promise<void> {
    this.stopped = true
    await this.loop
    while (
      !(await this.log.close().then(
        () => true,
        () => false,
      ))
    );
  }

  private async count(partitions: readonly number[], member: GroupMember): Promise<void> {
    let next: Map<number, Offset> | null = null
    while (!this.stopped) {
      try {
        next ??= await this.committed(partitions)
        this.producer ??= await this.log.producer({
          transactionalId: `${this.name}-${(this.ids += 1)}`,
          transactionTimeoutMs: 1_500,
        })
        await this.step(this.producer, next, member)
      } catch (error) {
        next = null
        await this.recover(error)
      }
      await sleep(this.world.clock, this.random.int(30))
    }
  }

  private async committed(partitions: readonly number[]): Promise<Map<number, Offset>> {
    const at = partitions.map((partition) => ({ topic: 'in', partition }))
    const offsets = await this.log.committedOffsets(GROUP, at)
    return new Map(partitions.map((partition, i) => [partition, offsets[i] ?? 0n]))
  }

  /** One transaction: the next number of some of the partitions, and where they stand then. */
  private async step(producer: LogProducer, next: Map<number, Offset>, member: GroupMember): Promise<void> {
    const chosen = [...next.keys()].filter(() => this.random.chance(0.6))
    producer.begin()
    for (const partition of chosen) {
      const records = new RecordBatchBuilder()
      records.append(0, 'k', `${next.get(partition)! + 1n}`)
      await producer.send([{ topic: 'out', partition, records }])
    }
    const offsets = chosen.map((partition) => {
      return { topic: 'in', partition, offset: next.get(partition)! + 1n }
    })
    const proof = this.world.fencing ? member : await this.anyMember(member)
    await producer.addOffsets(GROUP, offsets, proof)
    await producer.commit()
    for (const { partition, offset } of offsets) next.set(partition, offset)
  }

  /** The planted mistake: whoever asks is taken for a member of the present generation. */
  private async anyMember(member: GroupMember): Promise<GroupMember> {
    const { memberIds } = await this.world.broker.describeGroup(GROUP)
    for (let generation = member.generation; generation < member.generation + 50; generation += 1) {
      for (const memberId of memberIds) {
        const guess = { groupId: GROUP, memberId, generation }
        const reference = { ...guess, groupInstanceId: null }
        const valid = await this.world.broker.heartbeat(reference).then(
          () => true,
          () => false,
        )
        if (valid) return guess
      }
    }
    return member
  }

  private async recover(error: unknown): Promise<void> {
    const { felt } = this.world
    const { producer } = this
    if (error instanceof AbortableError && producer !== null) {
      felt.aborted += 1
      if (
        await producer.abort().then(
          () => true,
          () => false,
        )
      )
        return
    } else if (error instanceof UnknownOutcomeError) {
      felt.unknown += 1
    } else if (error instanceof FencedError) {
      felt.fenced += 1
    } else if (!(error instanceof RetriableError)) {
      throw error
    }
    this.producer = null
    await producer?.close()
  }
}

function share(members: readonly GroupMemberMetadata[]): Map<string, Uint8Array> {
  const ids = members.map(({ memberId }) => memberId).sort()
  return new Map(
    ids.map((id, i) => {
      const mine = Array.from({ length: PARTITIONS }, (_, partition) => partition)
      return [id, Uint8Array.from(mine.filter((partition) => partition % ids.length === i))]
    }),
  )
}

async function numbersIn(world: World, partition: number): Promise<string[]> {
  const numbers: string[] = []
  const cursor = new RecordCursor()
  const [end] = await world.broker.offsets('end', [{ topic: 'out', partition }])
  for (let offset = 0n; offset < end!;) {
    const at = { topic: 'out', partition, topicId: null, offset, maxBytes: 1_000_000, seen: null }
    const answer = await world.broker.fetch({ partitions: [at], maxWaitMs: 0 })
    const { batches: buffer, nextOffset } = answer.partitions[0]!
    cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: offset })
    while (cursor.next()) numbers.push(cursor.value()!.toString())
    offset = nextOffset
  }
  return numbers
}

async function simulate(seed: number, fencing = true): Promise<{ world: World; numbers: string[][] }> {
  const world = new World(seed, fencing)
  await world.broker.createTopics(['in', 'out'].map((name) => ({ name, partitions: PARTITIONS })))
  let names = 0
  const start = (): Worker => {
    const worker = new Worker(world, `worker-${(names += 1)}`)
    void worker.start()
    return worker
  }
  const workers = [start(), start(), start()]
  const chaos = world.random.fork()
  for (let round = 0; round < 12; round += 1) {
    await world.clock.advance(200 + chaos.int(2_500))
    const at = chaos.int(workers.length)
    if (chaos.chance(0.4)) {
      workers[at]!.kill()
      workers[at] = start()
    } else if (chaos.chance(0.6)) {
      workers[at]!.cutOff(500 + chaos.int(3_000))
    } else if (chaos.chance(0.3)) {
      void workers[at]!.close()
      workers[at] = start()
    }
  }
  for (const losses of world.connections)
    Object.assign(losses, { lostAnswer: 0, lostRequest: 0, cut: 'nothing' })
  await world.clock.advance(15_000)
  for (const worker of workers) void worker.close()
  await world.clock.advance(15_000)
  const numbers: string[][] = []
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    numbers.push(await numbersIn(world, partition))
  return { world, numbers }
}

const countedTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i + 1}`)

describe('a group that counts over connections that lose calls', () => {
  it('leaves no number out and writes none twice', async () => {
    const total = { assigned: 0, revoked: 0, lost: 0, killed: 0, aborted: 0, unknown: 0, fenced: 0 }
    for (let seed = 1; seed <= 25; seed += 1) {
      const { world, numbers } = await simulate(seed)
      for (const [partition, found] of numbers.entries()) {
        expect(found, `seed ${seed}, partition ${partition}`).toEqual(countedTo(found.length))
        expect(found.length, `seed ${seed}, partition ${partition}`).toBeGreaterThan(50)
        const committed = await world.broker.committedOffsets(GROUP, [{ topic: 'in', partition }])
        expect(committed).toEqual([BigInt(found.length)])
      }
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += world.felt[key]
    }
    // All kinds of trouble came about, so that the result means something.
    for (const [kind, count] of Object.entries(total)) expect(count, kind).toBeGreaterThan(3)
  })

  it('would count wrong if stale members could commit', async () => {
    let wrong = 0
    for (let seed = 1; seed <= 25 && wrong === 0; seed += 1) {
      const { numbers } = await simulate(seed, false)
      if (numbers.some((found) => found.join() !== countedTo(found.length).join())) wrong += 1
    }
    expect(wrong).toBe(1)
  })
})
