/** Standby copies on a simulated cluster: they are what the owner has, make a take-over short, and hurt nobody. */
import { afterEach, describe, expect, it } from 'vitest'
import { CorruptedStateError } from '../../src/errors.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import type { StreamsEvent } from '../../src/runtime/events.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { StateDirectory } from '../../src/state/backend.ts'
import { StreamsBuilder } from '../../src/topology/streams-builder.ts'
import { SimulatedCluster, type Instance } from './cluster.ts'

const PARTITIONS = 4
const KEYS = 250
const ROUNDS = 20
const TASKS = Array.from({ length: PARTITIONS }, (_, partition) => `0_${partition}`)
const CALM = { delayMsMax: 2, lostRequests: 0, lostAnswers: 0 }

function counting() {
  const builder = new StreamsBuilder()
  builder
    .stream('in', { key: Serdes.string(), value: Serdes.string() })
    .groupByKey()
    .count()
    .toStream()
    .to('out', { key: Serdes.string(), value: Serdes.json<number>() })
  return builder.build()
}

class Rig {
  readonly cluster: SimulatedCluster
  private readonly standbys: number
  private timeMs = 0

  constructor(standbys: number, wrapDirectory?: (directory: StateDirectory) => StateDirectory) {
    this.standbys = standbys
    const wrapped = wrapDirectory === undefined ? {} : { wrapDirectory }
    this.cluster = new SimulatedCluster({ seed: 1, network: CALM, markerDelayMsMax: 5, ...wrapped })
  }

  async begin(...names: readonly string[]): Promise<void> {
    const { cluster } = this
    await cluster.drive(cluster.log.createTopics([{ name: 'in', partitions: PARTITIONS }]))
    for (const name of names) this.start(name)
    await cluster.until(() => this.areAllWorked, 60_000, 'all tasks are worked')
  }

  start(name: string): Instance {
    const config = {
      applicationId: 'a',
      maxFutureSkewMs: null,
      commitIntervalMs: 20,
      sessionTimeoutMs: 400,
      rebalanceTimeoutMs: 1_500,
      stateFlushIntervalMs: 50,
      standbys: this.standbys,
    }
    return this.cluster.start(name, counting(), { config })
  }

  /** So many updates of every key, in a commit each. */
  async feed(rounds: number): Promise<void> {
    const { cluster } = this
    const producer = await cluster.drive(cluster.log.producer({ transactionalId: 'feeder' }))
    for (let round = 0; round < rounds; round++) {
      this.timeMs++
      const batches = TASKS.map((_, partition) => {
        const records = new RecordBatchBuilder()
        for (let key = 0; key < KEYS; key++) records.append(this.timeMs, `k${key}`, 'x')
        return { topic: 'in', partition, records }
      })
      producer.begin()
      await cluster.drive(producer.send(batches))
      await cluster.drive(producer.commit())
      await cluster.clock.advance(25)
    }
    await cluster.drive(producer.close())
    await cluster.until(() => this.areAllWorked && this.hasNoLag, 60_000, 'everything is worked')
    await cluster.clock.advance(500)
  }

  /** The tasks that an instance works, and those that it has copies of. */
  worked(instance: Instance): readonly string[] {
    return [...instance.app.tasks.keys()].sort()
  }
  copied(instance: Instance): readonly string[] {
    return [...new Set(instance.app.standbys.map(({ task }) => task))].sort()
  }

  /** What the instances have told. */
  eventsFrom<T extends StreamsEvent['type']>(type: T) {
    const all = this.cluster.instances.flatMap(({ events }) => events)
    return all.filter((event): event is StreamsEvent & { type: T } => event.type === type)
  }

  get areAllWorked(): boolean {
    const { running } = this.cluster
    const worked = running.flatMap((instance) => this.worked(instance)).sort()
    return running.every(({ app }) => app.isQuiet) && worked.join() === TASKS.join()
  }

  private get hasNoLag(): boolean {
    const tasks = this.cluster.running.flatMap(({ app }) => app.progress)
    return tasks.every(({ worked, inputs }) => worked > 0 || inputs.every(({ offset }) => offset > 0n))
  }
}

let rig: Rig
afterEach(() => {
  for (const instance of rig.cluster.running) instance.kill()
})

/** Changelog records that the others have to apply when one of three dies. */
async function replayedAtTakeover(standbys: number): Promise<number> {
  rig = new Rig(standbys)
  await rig.begin('a', 'b', 'c')
  await rig.feed(ROUNDS)
  const victim = rig.cluster.running.toSorted((a, b) => b.app.tasks.size - a.app.tasks.size)[0]!
  const lost = rig.worked(victim)
  expect(lost.length).toBeGreaterThan(0)
  const told = new Map(rig.cluster.instances.map((instance) => [instance, instance.events.length]))
  victim.kill()
  await rig.cluster.until(() => rig.areAllWorked, 60_000, 'the others work its tasks')
  const started = rig.cluster.running
    .flatMap((instance) => instance.events.slice(told.get(instance)))
    .filter((event) => event.type === 'task-started')
    .filter(({ task }) => lost.includes(task))
  expect(started.map(({ task }) => task).sort()).toEqual(lost)
  expect(started.every(({ wipedBecause }) => wipedBecause === undefined)).toBe(true)
  return started.reduce((sum, { replayed }) => sum + replayed, 0)
}

describe('a take-over', () => {
  it('replays at least five times fewer changelog records with a standby copy than without', async () => {
    const without = await replayedAtTakeover(0)
    const beside = await replayedAtTakeover(1)
    expect(without).toBeGreaterThanOrEqual(KEYS)
    expect(beside * 5).toBeLessThanOrEqual(without)
  })
})

describe('standby copies', () => {
  it('are kept of every task, by others than its owner, and follow without lag', async () => {
    rig = new Rig(1)
    await rig.begin('a', 'b', 'c')
    await rig.feed(3)
    const copies = rig.cluster.running.flatMap((instance) => rig.copied(instance))
    expect(copies.sort()).toEqual(TASKS)
    for (const instance of rig.cluster.running) {
      const both = rig.copied(instance).filter((task) => rig.worked(instance).includes(task))
      expect(both).toEqual([])
      for (const { position, end } of instance.app.standbys) expect(position).toBe(end)
    }
  })

  it('hold exactly what the owner holds', async () => {
    const disks = new Map<string, StateDirectory>()
    rig = new Rig(2, (directory) => {
      disks.set(directory.location, directory)
      return directory
    })
    await rig.begin('a', 'b', 'c')
    await rig.feed(ROUNDS)
    const { cluster } = rig
    const where = cluster.running.map((instance) => [instance.name, rig.copied(instance)] as const)
    expect(where.flatMap(([, tasks]) => tasks)).toHaveLength(2 * PARTITIONS)
    for (const instance of cluster.running) await cluster.drive(instance.app.stop())
    for (const task of TASKS) {
      const contents = new Set<string>()
      for (const disk of disks.values()) {
        const backend = await disk.open(task)
        const entries: string[] = []
        for await (const page of backend.scan()) {
          for (const [key, value] of page) entries.push(`${key.toString('hex')}=${value.toString('hex')}`)
        }
        expect(entries).toHaveLength(KEYS)
        contents.add(entries.join())
        await backend.close()
      }
      expect(contents.size, task).toBe(1)
    }
  })

  it('go on from what is on disk when their instance comes back', async () => {
    rig = new Rig(1)
    await rig.begin('a', 'b')
    await rig.feed(ROUNDS)
    const { cluster } = rig
    const [keeper] = cluster.running
    await cluster.drive(keeper!.app.stop())
    await cluster.until(() => rig.areAllWorked, 60_000, 'the other works alone')
    const again = rig.start(keeper!.name)
    await cluster.until(() => rig.areAllWorked && rig.copied(again).length === 2, 60_000, 'both work')
    await cluster.clock.advance(500)
    for (const { position, end } of again.app.standbys) expect(position).toBe(end)
    expect(rig.eventsFrom('standby-started').every(({ wipedBecause }) => wipedBecause === undefined)).toBe(
      true,
    )
    expect(rig.eventsFrom('standby-failed')).toEqual([])
  })

  it('that are found to be damaged when they are opened are made anew, and nothing else is touched', async () => {
    const damaged = new Set<string>()
    rig = new Rig(1, (directory) => damagedDirectory(directory, 'open', damaged))
    await rig.begin('a', 'b')
    await rig.feed(3)
    const { cluster } = rig
    await cluster.drive(cluster.running[0]!.app.stop())
    await cluster.until(() => rig.areAllWorked, 60_000, 'the other works alone')
    // What the other keeps of it all, the one that comes back gets a copy of.
    damaged.add('a/0_0')
    const again = rig.start('a')
    await cluster.until(() => rig.areAllWorked && rig.copied(again).length === 2, 60_000, 'both work')
    await cluster.clock.advance(500)
    expect(rig.copied(again)).toContain('0_0')
    expect(damaged.size).toBe(0)
    expect(
      again.events.filter((event) => 'wipedBecause' in event && event.wipedBecause !== undefined),
    ).toEqual([{ type: 'standby-started', task: '0_0', wipedBecause: 'a/0_0 is damaged' }])
    for (const { position, end } of again.app.standbys) expect(position).toBe(end)
  })

  it('that are found to be damaged when they are written are made anew, and nothing else is touched', async () => {
    const damaged = new Set<string>()
    rig = new Rig(1, (directory) => damagedDirectory(directory, 'write', damaged))
    await rig.begin('a', 'b')
    await rig.feed(3)
    const { cluster } = rig
    const [first] = cluster.running
    const task = rig.copied(first!)[0]!
    const [owned, copied] = [rig.worked(first!), rig.copied(first!)]
    const recoveries = rig.eventsFrom('recovering').length
    damaged.add(`${first!.name}/${task}`)
    await rig.feed(2)
    await cluster.until(() => rig.eventsFrom('standby-failed').length > 0, 10_000, 'it is found')
    await cluster.clock.advance(5_000)
    expect(rig.eventsFrom('standby-failed')).toMatchObject([{ task, code: 'STATE_DAMAGED' }])
    expect(damaged.size).toBe(0)
    expect(rig.eventsFrom('recovering')).toHaveLength(recoveries)
    expect([rig.worked(first!), rig.copied(first!)]).toEqual([owned, copied])
    for (const { position, end } of first!.app.standbys) expect(position).toBe(end)
    expect(rig.eventsFrom('task-started').every(({ wipedBecause }) => wipedBecause === undefined)).toBe(true)
  })
})

/** Damage in the state of the tasks named, until it is wiped. */
function damagedDirectory(
  directory: StateDirectory,
  call: 'open' | 'write',
  damaged: Set<string>,
): StateDirectory {
  const nameOf = (task: string): string => `${directory.location}/${task}`
  const refuse = (task: string): void => {
    if (damaged.has(nameOf(task)))
      throw new CorruptedStateError('STATE_DAMAGED', `${nameOf(task)} is damaged`)
  }
  return {
    location: directory.location,
    tasks: () => directory.tasks(),
    close: () => directory.close(),
    async wipe(task) {
      damaged.delete(nameOf(task))
      await directory.wipe(task)
    },
    async open(task) {
      if (call === 'open') refuse(task)
      const backend = await directory.open(task)
      return {
        getSync: (key) => backend.getSync(key),
        checkpoint: () => backend.checkpoint(),
        scan: (from, to) => backend.scan(from, to),
        approximateBytes: () => backend.approximateBytes(),
        close: () => backend.close(),
        async write(writes, checkpoint) {
          refuse(task)
          await backend.write(writes, checkpoint)
        },
      }
    },
  }
}
